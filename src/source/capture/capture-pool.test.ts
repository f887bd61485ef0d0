import assert from "node:assert/strict";
import { test } from "node:test";
import { CapturePool } from "./capture-pool.ts";

const { signal } = new AbortController();

test("CapturePool: an abort at the very moment a process is handed over takes it from nobody else", async () => {
  await using pool = new CapturePool(1);
  const first = await pool.take(signal);
  const aborting = new AbortController();
  const second = pool.take(aborting.signal);
  const third = pool.take(signal);
  pool.giveBack(first);
  aborting.abort();
  pool.giveBack(await second);
  assert.equal(await third, first);
  pool.giveBack(await third);
});

test("CapturePool: who is aborted while waiting leaves the line to the others", async () => {
  await using pool = new CapturePool(1);
  const first = await pool.take(signal);
  const aborting = new AbortController();
  const second = pool.take(aborting.signal);
  const third = pool.take(signal);
  aborting.abort();
  await assert.rejects(second, { name: "AbortError" });
  pool.giveBack(first);
  assert.equal(await third, first);
  pool.giveBack(await third);
});

test("CapturePool: a process that was prepared is the one that is taken, and there is only one", async () => {
  await using pool = new CapturePool(2);
  pool.prepare();
  pool.prepare();
  const [first, second] = [await pool.take(signal), await pool.take(signal)];
  assert.notEqual(first, second);
  pool.giveBack(first);
  pool.prepare();
  assert.equal(await pool.take(signal), first);
  pool.giveBack(first);
  pool.giveBack(second);
});
