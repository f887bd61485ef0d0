import assert from "node:assert/strict";
import { scryptSync } from "node:crypto";
import { syncBuiltinESMExports } from "node:module";
import { test } from "node:test";
import threads from "node:worker_threads";
import { type ScryptCost, scryptInThreads } from "./scrypt-threads.ts";

const password = Buffer.from("geheim");
const salt = Buffer.alloc(64, 7);

async function derive(cost: ScryptCost): Promise<Buffer | undefined> {
  const key = await scryptInThreads(password, salt, cost, 64);
  return key === undefined ? undefined : Buffer.from(key);
}

test("scryptInThreads() derives the key that node:crypto derives, for even and odd numbers of lanes", async () => {
  for (const p of [4, 5]) {
    const cost = { N: 32_768, r: 8, p };
    const theirs = scryptSync(password, salt, 64, { ...cost, maxmem: 2 ** 26 });
    assert.deepEqual(await derive(cost), theirs);
  }
});

test("scryptInThreads() leaves to node:crypto what is cheap, what has one lane, and what takes much memory", async () => {
  for (const cost of [
    { N: 1024, r: 8, p: 8 },
    { N: 2 ** 17, r: 8, p: 1 },
    { N: 2 ** 17, r: 8, p: 8 },
  ])
    assert.equal(await derive(cost), undefined);
});

test("scryptInThreads() leaves to node:crypto what it gets no threads for", async () => {
  const real = threads.Worker;
  threads.Worker = class {
    constructor() {
      throw new Error("no thread can be had");
    }
  } as unknown as typeof real;
  syncBuiltinESMExports();
  try {
    assert.equal(await derive({ N: 32_768, r: 8, p: 8 }), undefined);
  } finally {
    threads.Worker = real;
    syncBuiltinESMExports();
  }
});
