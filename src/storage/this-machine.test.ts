import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { test } from "node:test";
import { isProvablyGone, ownerState, type RunOwner } from "../domain/run-owner.ts";
import { readThisMachine } from "./this-machine.ts";

test("readThisMachine() knows the running process to be alive", () => {
  const machine = readThisMachine();
  assert.equal(machine.owner.pid, process.pid);
  assert.equal(machine.startTicksOf(process.pid), machine.owner.startedTicks);
  if (process.platform === "linux") assert.equal(ownerState(machine.owner, machine), "alive");
});

test("readThisMachine() sees a child running and then gone", async () => {
  const machine = readThisMachine();
  const child = spawn(process.execPath, ["-e", "setInterval(() => {}, 1000)"], { stdio: "ignore" });
  await once(child, "spawn");
  const pid = child.pid ?? 0;
  const owner: RunOwner = { ...machine.owner, pid, startedTicks: machine.startTicksOf(pid) ?? "gone" };
  assert.equal(isProvablyGone(owner, machine), false);
  child.kill("SIGKILL");
  await once(child, "exit");
  assert.equal(isProvablyGone(owner, machine), true);
});

test("readThisMachine() finds no process under numbers that mean groups", () => {
  const machine = readThisMachine();
  for (const pid of [0, -1, Number.NaN]) assert.equal(machine.startTicksOf(pid), undefined);
});
