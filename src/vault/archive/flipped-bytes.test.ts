import assert from "node:assert/strict";
import { test } from "node:test";
import { MemoryStorage } from "../../storage/memory-storage.ts";
import { openMemoryPlace, openTestVault } from "../../testing/archive-vault-places.ts";
import { everyFew } from "../../testing/every-few.ts";
import {
  backUp,
  beginOptions,
  noonMs,
  noWait,
  rejectsWith,
  signal,
  TestMachine,
  verifyOptions,
} from "../../testing/vault-probe.ts";
import { metadataName } from "../../format/archive/file-names.ts";
import { pieceBytes, reserveNames } from "./reserve.ts";
import { runObjectName } from "./locks/run-document.ts";

const machine = new TestMachine().process(1);
const stamp = "20240601_120000";

/** Calls `check` for every few bytes of an object, for each in a whole sweep, with one bit of it flipped; another bit each time. */
async function flipBytes(
  storage: MemoryStorage,
  name: string,
  check: () => Promise<void>,
  few = 3,
): Promise<void> {
  const bytes = await bytesOf(storage, name);
  for (let i = 0; i < bytes.byteLength; i += everyFew(few)) {
    const flipped = Buffer.from(bytes);
    flipped.writeUInt8(flipped.readUInt8(i) ^ (1 << (i % 8)), i);
    await putInstead(storage, name, flipped);
    try {
      await check();
    } catch (cause) {
      throw new Error(`byte ${i} of ${name} flipped: ${flipped.toString().slice(i - 20, i + 20)}`, { cause });
    }
  }
  await putInstead(storage, name, bytes);
}

async function bytesOf(storage: MemoryStorage, name: string): Promise<Buffer> {
  return Buffer.concat(await Array.fromAsync(storage.get(name, undefined, signal)));
}

async function putInstead(storage: MemoryStorage, name: string, bytes: Buffer): Promise<void> {
  await storage.remove([name], signal);
  await storage.put(name, bytes, signal);
}

test("a flipped byte anywhere in a backup's metadata makes it damaged, refused by name, and never removed", async () => {
  await using place = await openMemoryPlace();
  const storage = new MemoryStorage();
  await using vault = await openTestVault(storage, machine);
  const { backup } = await backUp(vault, place.folder);
  const name = metadataName(backup.id);
  await flipBytes(storage, name, async () => {
    const report = await vault.verify(backup.id, verifyOptions(place.folder, { depth: "stored" }), signal);
    assert.deepEqual([report.ok, report.damages[0]?.object], [false, name]);
    const [listed, ...more] = await vault.list(signal);
    assert.deepEqual([listed?.state, listed?.neverRemoved, more.length], ["damaged", true, 0]);
    assert.ok(listed?.stateReason.includes(name), listed?.stateReason);
    await assert.rejects(vault.open(backup.id, signal), new RegExp(`Cannot open .*${name}.* is damaged`));
    const removal = vault.exclusively((remover) => remover.remove([backup.id], signal), noWait, signal);
    await rejectsWith(removal, "unsupported");
  });
  assert.equal((await vault.list(signal))[0]?.state, "good");
});

test("a flipped byte anywhere in the metadata of a part is named by verify()", async () => {
  await using place = await openMemoryPlace();
  const storage = new MemoryStorage();
  await using vault = await openTestVault(storage, machine);
  const { backup } = await backUp(vault, place.folder);
  for (const part of [`db_backup_${stamp}`, `storage_backup_${stamp}`]) {
    await flipBytes(
      storage,
      metadataName(part),
      async () => {
        const report = await vault.verify(
          backup.id,
          verifyOptions(place.folder, { depth: "stored" }),
          signal,
        );
        assert.deepEqual(
          report.damages.map(({ object }) => object),
          [metadataName(part)],
        );
        assert.equal((await vault.list(signal)).length, 1);
      },
      5,
    );
  }
});

test("a flipped byte anywhere in the marker of a vault is a clear error and not taken for another version", async () => {
  const storage = new MemoryStorage();
  await openTestVault(storage, machine);
  await flipBytes(storage, ".vertex/vault.json", async () => {
    await assert.rejects(
      openTestVault(storage, machine),
      /Cannot open the vault memory: .*vault.json is damaged/,
    );
  });
  await openTestVault(storage, machine);
});

test("a flipped byte anywhere in a record costs its text, and nothing that its name says", async () => {
  await using place = await openMemoryPlace();
  const storage = new MemoryStorage();
  await using vault = await openTestVault(storage, machine);
  const { backup } = await backUp(vault, place.folder, { type: "database" });
  const at = "2024-06-02T12:00:00.000+00:00";
  const text = { at, host: "web1", message: "a sector was lost" };
  for (const kind of ["pinned", "damaged"] as const) {
    await vault.records.add({ ...text, kind, backupId: backup.id }, signal);
  }
  for (const { id } of await vault.records.list(signal)) {
    await flipBytes(storage, id, async () => {
      const record = (await vault.records.list(signal)).find((candidate) => candidate.id === id);
      assert.deepEqual([record?.host, record?.message], ["", ""]);
      const [listed] = await vault.list(signal);
      assert.deepEqual([listed?.pinned, listed?.state], [true, "damaged"]);
    });
  }
});

test("a flipped byte anywhere in a record, or in the reserve, is named by checkBeside()", async () => {
  await using place = await openMemoryPlace();
  const storage = new MemoryStorage();
  await using vault = await openTestVault(storage, machine);
  const { backup } = await backUp(vault, place.folder, { type: "database" });
  const text = { at: "2024-06-02T12:00:00.000+00:00", host: "web1", message: "" };
  for (const kind of ["pinned", "confirmed", "verified", "damaged"] as const) {
    await vault.records.add({ ...text, kind, backupId: backup.id }, signal);
  }
  await vault.records.add({ ...text, kind: "failed" }, signal);
  assert.deepEqual(await vault.checkBeside?.(signal), []);
  const records = (await vault.records.list(signal)).map(({ id }) => id);
  assert.equal(records.length, 5);
  const check = async (name: string): Promise<void> => {
    const damages = (await vault.checkBeside?.(signal)) ?? [];
    assert.deepEqual(
      damages.map(({ object }) => object),
      [name],
    );
    assert.match(
      damages[0]?.message ?? "",
      /unpin and then pin|confirm|may be deleted|takes its place|delete it/,
    );
  };
  for (const name of records) await flipBytes(storage, name, () => check(name));
  for (const name of reserveNames) await flipBytes(storage, name, () => check(name), 3001);
  const [first = "", second = ""] = records;
  const whole = await bytesOf(storage, first);
  for (const wrong of [Buffer.alloc(0), whole.subarray(0, -1), await bytesOf(storage, second)]) {
    await putInstead(storage, first, wrong);
    await check(first);
  }
  await putInstead(storage, first, whole);
  const [piece = ""] = reserveNames;
  for (const size of [0, pieceBytes - 1, pieceBytes + 1, 100_000]) {
    await putInstead(storage, piece, Buffer.alloc(size));
    await check(piece);
  }
  // As earlier versions made it.
  await putInstead(storage, piece, Buffer.alloc(32 * 1024, 7));
  assert.deepEqual(await vault.checkBeside?.(signal), []);
  // Given up for something that mattered more.
  await storage.remove([piece], signal);
  assert.deepEqual(await vault.checkBeside?.(signal), []);
});

test("a marker that was deleted is missed, with what mends it, until the next create; a folder of the Python original lacks none", async () => {
  await using place = await openMemoryPlace();
  const storage = new MemoryStorage();
  await storage.put("database/db_backup_20240101_120000.db", Buffer.from("python's"), signal);
  const readOnce = async (): Promise<readonly [string | undefined, readonly string[]]> => {
    await using vault = await openTestVault(storage, machine, false);
    const beside = (await vault.checkBeside?.(signal)) ?? [];
    return [await vault.flaw(signal), beside.map(({ object, message }) => `${object}: ${message}`)];
  };
  assert.deepEqual(await readOnce(), ["", []]);
  await backUp(await openTestVault(storage, machine), place.folder);
  assert.deepEqual(await readOnce(), ["", []]);
  const marker = ".vertex/vault.json";
  await storage.remove([marker], signal);
  const remedy = "the next create writes a new one, and the backups stay as they are";
  const missed = [
    `${marker} is missing from the vault memory: ${remedy}`,
    [`${marker}: it is missing; ${remedy}`],
  ];
  assert.deepEqual(await readOnce(), missed);
  await storage.remove(reserveNames, signal);
  assert.deepEqual(await readOnce(), missed);
  const later = { type: "database", startedAtMs: noonMs + 60_000 } as const;
  await backUp(await openTestVault(storage, machine), place.folder, later);
  assert.deepEqual(await readOnce(), ["", []]);
});

test("a flipped byte anywhere in the lock of a killed run removes nothing that is not the run's own", async () => {
  await using place = await openMemoryPlace();
  const machines = new TestMachine();
  const storage = new MemoryStorage();
  await using vault = await openTestVault(storage, machines.process(1));
  const { backup } = await backUp(vault, place.folder, { type: "database" });
  // Files of the Python original, under names that a flipped digit makes of the run's own.
  for (let digit = 1; digit < 10; digit++) {
    await storage.put(`database/db_backup_20240601_12010${digit}.db`, Buffer.from("python's"), signal);
  }
  const killed = await openTestVault(storage, machines.process(2));
  await killed.begin(beginOptions({ type: "database", roots: [], startedAtMs: noonMs + 60_000 }), signal);
  machines.kill(2);
  const lock = runObjectName("20240601_120100", 0);
  const before = (await vault.list(signal)).map(({ id }) => id);
  await flipBytes(storage, lock, async () => {
    await vault.clean(signal);
    assert.deepEqual(
      (await vault.list(signal)).map(({ id }) => id),
      before,
    );
    assert.notEqual(await storage.stat(lock, signal), undefined);
  });
  assert.ok(before.includes(backup.id));
  assert.equal((await vault.clean(signal)).locksBroken, 1);
});
