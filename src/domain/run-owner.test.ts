import assert from "node:assert/strict";
import { test } from "node:test";
import {
  isProvablyGone,
  ownerState,
  type RunOwner,
  stateOfUnfinished,
  type ThisMachine,
  unfinishedName,
} from "./run-owner.ts";

const running: RunOwner = {
  host: "web-1",
  bootId: "0b1c2d3e-0000-4000-8000-000000000001",
  pid: 700,
  pidNamespace: "4026531836",
  startedTicks: "5000",
};

/** A machine on which process 42 (ticks 900) and 43 (ticks unknown) run beside ours. */
function machineWith(owner: Partial<RunOwner> = {}): ThisMachine {
  const processes: Record<number, string> = { 42: "900", 43: "", 700: "5000" };
  return { owner: { ...running, ...owner }, startTicksOf: (pid) => processes[pid] };
}

const here = machineWith();

function state(owner: Partial<RunOwner>, machine: ThisMachine = here): string {
  return ownerState({ ...running, pid: 42, startedTicks: "900", ...owner }, machine);
}

test("an owner is alive while its pid runs with the ticks it started with", () => {
  assert.equal(state({}), "alive");
  assert.equal(state({ pid: 700, startedTicks: "5000" }), "alive");
});

test("an owner is gone when its pid is not there or belongs to a later process", () => {
  assert.equal(state({ pid: 41 }), "gone");
  assert.equal(state({ startedTicks: "899" }), "gone");
  assert.equal(isProvablyGone({ ...running, pid: 41 }, here), true);
});

test("an owner is gone when the machine of its name was started again", () => {
  assert.equal(state({ bootId: "0b1c2d3e-0000-4000-8000-000000000002" }), "gone");
});

test("an owner is not gone just because its ticks are unknown", () => {
  assert.equal(state({ startedTicks: "" }), "unknown");
  assert.equal(state({ pid: 43 }), "unknown");
});

test("an owner on another machine stays unknown", () => {
  assert.equal(state({ host: "web-2", bootId: "0b1c2d3e-0000-4000-8000-000000000002" }), "unknown");
  assert.equal(isProvablyGone({ ...running, host: "web-2", bootId: "other" }, here), false);
});

test("an owner in another container of the machine stays unknown, whatever its host name", () => {
  assert.equal(state({ pidNamespace: "4026532999", pid: 41 }), "unknown");
  assert.equal(state({ pidNamespace: "4026532999", pid: 41, host: "web-2" }), "unknown");
  assert.equal(state({ pidNamespace: "", pid: 41 }), "unknown");
});

test("an owner with another host name but our kernel and pid namespace can be looked up", () => {
  assert.equal(state({ host: "container-7" }), "alive");
  assert.equal(state({ host: "container-7", pid: 41 }), "gone");
});

test("an owner named localhost under another boot id stays unknown, because many machines are", () => {
  const local = machineWith({ host: "localhost" });
  assert.equal(state({ host: "localhost", bootId: "other" }, local), "unknown");
});

test("an owner without a boot id is looked up only under our own host name", () => {
  const mac = machineWith({ bootId: "", pidNamespace: "darwin" });
  assert.equal(state({ bootId: "", pidNamespace: "darwin", pid: 41 }, mac), "gone");
  assert.equal(state({ bootId: "", pidNamespace: "darwin", pid: 41, host: "web-2" }, mac), "unknown");
  assert.equal(state({ bootId: "" }), "unknown");
});

test("unfinishedName() says who is writing, also with a suffix behind it", () => {
  const name = unfinishedName({ ...running, pid: 41 }, "a1b2c3");
  assert.equal(stateOfUnfinished(name, here), "gone");
  assert.equal(stateOfUnfinished(`${name}-journal`, here), "gone");
  assert.equal(stateOfUnfinished(unfinishedName(running, "x"), here), "alive");
});

test("unfinishedName() carries host names of any characters and length in one file name", () => {
  const host = `комп,ьютер-/${"x".repeat(300)}`;
  const machine = machineWith({ host });
  const name = unfinishedName({ ...running, host, pid: 41, bootId: running.bootId }, "a1");
  assert.match(name, /^[\x21-\x7e]{1,200}$/);
  assert.ok(!name.includes("/"));
  assert.equal(stateOfUnfinished(name, machine), "gone");
});

test("stateOfUnfinished() knows nothing of names it did not make", () => {
  for (const name of [".tmp-", ".tmp-abc-def", "db_backup_20240101_120000.db", ".tmp-a,b,c,x,1-r"]) {
    assert.equal(stateOfUnfinished(name, here), undefined);
  }
});
