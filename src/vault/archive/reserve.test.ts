import assert from "node:assert/strict";
import { test } from "node:test";
import { isBackupError } from "../../domain/error.ts";
import { MemoryStorage } from "../../storage/memory-storage.ts";
import type { Storage } from "../../storage/storage.ts";
import { openTestVault } from "../../testing/archive-vault-places.ts";
import { sweepRemove } from "../../testing/archive-vault-sweep.ts";
import { withBadSector } from "../../testing/bad-sector.ts";
import { everyFew, fewOf } from "../../testing/every-few.ts";
import { fullStorage } from "../../testing/full-storage.ts";
import { beginOptions, noWait, signal, TestMachine } from "../../testing/vault-probe.ts";
import { pieceBytes, Reserve, reserveNames } from "./reserve.ts";

/** A vault with nothing in it but what every vault has. */
async function makeVault(): Promise<Storage> {
  const storage = new MemoryStorage();
  const vault = await openTestVault(storage, new TestMachine().process(1));
  const writer = await vault.begin(beginOptions({ type: "database" }), signal);
  await writer.abort();
  return storage;
}

async function names(storage: Storage): Promise<readonly string[]> {
  return (await Array.fromAsync(storage.list("", signal), ({ name }) => name)).sort();
}

/** Interruptions of which the unit tests try one. */
const few = 3;

test("a removal from a vault without a free byte, cut short anywhere, leaves whole backups and nothing else", async () => {
  const { tried, unreached } = await sweepRemove("full", { sabotage: fullStorage, every: everyFew(few) });
  assert.ok(tried > fewOf(60, few), `${tried} interruptions were tried`);
  assert.equal(unreached, 0);
});

test("a vault is made with a reserve, which locks and pins may take where nothing else is left, and which comes back", async () => {
  const storage = await makeVault();
  assert.deepEqual(await names(storage), [...reserveNames, ".vertex/vault.json"]);
  for (const name of reserveNames) assert.equal((await storage.stat(name, signal))?.sizeBytes, pieceBytes);
  const vault = await openTestVault(fullStorage(storage), new TestMachine().process(1), false);
  await vault.exclusively(async () => undefined, noWait, signal);
  assert.deepEqual(await names(storage), [...reserveNames, ".vertex/vault.json"]);
  {
    await using _held = await vault.hold(signal);
    assert.equal(await storage.stat(reserveNames[0] ?? "", signal), undefined);
    const said = {
      kind: "pinned",
      backupId: "db_backup_20240101_120000",
      at: "2024-01-01T12:00:00Z",
    } as const;
    await vault.records.add({ ...said, host: "h", message: "" }, signal);
  }
  const pinned = (await names(storage)).filter((name) => name.startsWith(".vertex/records/pinned+"));
  assert.equal(pinned.length, 1);
  assert.deepEqual(await names(storage), [...pinned, ...reserveNames.slice(1), ".vertex/vault.json"]);
});

test("checkBeside() names a piece that the disk cannot read, and goes on", async () => {
  const storage = await makeVault();
  const [first = "", second = ""] = reserveNames;
  await storage.remove([second], signal);
  await storage.put(second, Buffer.alloc(pieceBytes), signal);
  const bad = withBadSector(storage, { name: first, at: 4096 });
  const vault = await openTestVault(bad, new TestMachine().process(1), false);
  const found = (await vault.checkBeside?.(signal)) ?? [];
  assert.deepEqual(
    found.map(({ object, message }) => [object, /EIO|checksum/.exec(message)?.[0]]),
    [
      [first, "EIO"],
      [second, "checksum"],
    ],
  );
});

test("a backup and what runs note of themselves never take the reserve", async () => {
  const storage = await makeVault();
  const before = await names(storage);
  const vault = await openTestVault(fullStorage(storage), new TestMachine().process(1), false);
  const isFull = (error: unknown): boolean => isBackupError(error, "no-space");
  await assert.rejects(vault.begin(beginOptions({ type: "database" }), signal), isFull);
  const failed = { kind: "failed", at: "2024-01-01T12:00:00Z", host: "h", message: "" } as const;
  await assert.rejects(vault.records.add(failed, signal), isFull);
  assert.deepEqual(await names(storage), before);
});

test("a lock is written although another run fills the reserve again between the two steps", async () => {
  const storage = await makeVault();
  const full = fullStorage(storage);
  let refills = 1;
  const raced: Storage = {
    ...full,
    remove: async (removed, by) => {
      await full.remove(removed, by);
      const [piece = ""] = reserveNames;
      if (removed.includes(piece) && refills-- > 0) await storage.put(piece, Buffer.alloc(pieceBytes), by);
    },
  };
  const vault = await openTestVault(raced, new TestMachine().process(1), false);
  await vault.exclusively(async () => undefined, noWait, signal);
  assert.equal(refills, -1);
});

test("a vault of an earlier version gets its reserve with the next backup", async () => {
  const storage = await makeVault();
  await storage.remove(reserveNames, signal);
  const vault = await openTestVault(storage, new TestMachine().process(1), false);
  await (await vault.begin(beginOptions({ type: "database" }), signal)).abort();
  assert.deepEqual(await names(storage), [...reserveNames, ".vertex/vault.json"]);
});

test("the reserve has room for the largest document a removal may have to write, and no more than there is", async () => {
  const storage = await makeVault();
  const reserve = new Reserve(fullStorage(storage));
  await reserve.put(".vertex/locks/a.json", Buffer.alloc(100_000), signal);
  await assert.rejects(reserve.put(".vertex/locks/b.json", Buffer.alloc(100_000), signal), (error) =>
    isBackupError(error, "no-space"),
  );
});
