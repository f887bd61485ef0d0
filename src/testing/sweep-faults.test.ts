import assert from "node:assert/strict";
import { test } from "node:test";
import { MemoryStorage } from "../storage/memory-storage.ts";
import type { Storage } from "../storage/storage.ts";
import { openTemporaryLocalStorage } from "./local-vault-folder.ts";
import { bytesOf, names, read, signal } from "./storage-probe.ts";
import { type FaultSweep, sweepFaults, type Wreck } from "./sweep-faults.ts";

/** A backup in miniature: `name/x` lists the data objects it needs. */
async function createInOrder(storage: Storage): Promise<void> {
  await storage.put("data/1", bytesOf("1"), signal);
  await storage.put("data/2", bytesOf("2"), signal);
  await storage.put("name/x", bytesOf("data/1 data/2"), signal);
}

async function createNameFirst(storage: Storage): Promise<void> {
  await storage.put("data/1", bytesOf("1"), signal);
  await storage.put("name/x", bytesOf("data/1 data/2"), signal);
  await storage.put("data/2", bytesOf("2"), signal);
}

async function removeInOrder(storage: Storage): Promise<void> {
  await storage.remove(["name/x"], signal);
  await storage.remove(["data/1", "data/2"], signal);
}

async function removeAllAtOnce(storage: Storage): Promise<void> {
  await storage.remove(["data/1", "data/2", "name/x"], signal);
}

/** I1 and I3: what can be listed is complete. */
async function listedIsComplete({ storage }: Wreck): Promise<void> {
  for (const name of await names(storage, "name/")) {
    const needed = (await read(storage, name)).toString().split(" ");
    for (const object of needed) assert.equal((await read(storage, object)).byteLength, 1);
  }
}

async function emptyStorage(): Promise<Storage> {
  return new MemoryStorage();
}

async function storageWithBackup(): Promise<Storage> {
  const storage = new MemoryStorage();
  await createInOrder(storage);
  return storage;
}

test("sweepFaults() tries every call in every mode, as a single failure and as a crash", async () => {
  const faults: string[] = [];
  const result = await sweepFaults({
    open: emptyStorage,
    scenario: createInOrder,
    check: async (wreck) => {
      const { operation, nth, mode, crash } = wreck.fault;
      faults.push(`${operation} ${nth} ${mode} ${crash}`);
      assert.ok(wreck.error !== undefined, "no failure is swallowed");
      await listedIsComplete(wreck);
    },
  });
  assert.deepEqual(result, { tried: 18, unreached: 0 });
  assert.equal(new Set(faults).size, 18);
});

test("sweepFaults() finds nothing wrong with a removal in order", async () => {
  const sweep: FaultSweep = { open: storageWithBackup, scenario: removeInOrder, check: listedIsComplete };
  assert.deepEqual(await sweepFaults(sweep), { tried: 12, unreached: 0 });
});

test("sweepFaults() sweeps a real folder", async () => {
  const open = (): Promise<Storage> => openTemporaryLocalStorage();
  const sweep: FaultSweep = { open, scenario: createInOrder, check: listedIsComplete };
  assert.deepEqual(await sweepFaults(sweep), { tried: 18, unreached: 0 });
});

test("sweepFaults() catches a backup that is named before its data is there", async () => {
  const sweep: FaultSweep = { open: emptyStorage, scenario: createNameFirst, check: listedIsComplete };
  await assert.rejects(sweepFaults(sweep), /The check failed after a fault \w+ put call [23]/);
});

test("sweepFaults() catches a removal that takes the data before the name", async () => {
  const sweep: FaultSweep = { open: storageWithBackup, scenario: removeAllAtOnce, check: listedIsComplete };
  await assert.rejects(sweepFaults(sweep), /The check failed after a fault torn remove call 1/);
});

test("sweepFaults() says so when a fault was never reached", async () => {
  let runs = 0;
  const result = await sweepFaults({
    open: emptyStorage,
    scenario: async (storage) => {
      if (runs++ === 0) await storage.put("only-in-the-clean-run", bytesOf("x"), signal);
    },
    check: listedIsComplete,
  });
  assert.deepEqual(result, { tried: 6, unreached: 6 });
});

test("sweepFaults() throws what the clean run throws", async () => {
  const scenario = (): Promise<void> => Promise.reject(new TypeError("broken scenario"));
  await assert.rejects(sweepFaults({ open: emptyStorage, scenario, check: listedIsComplete }), TypeError);
});
