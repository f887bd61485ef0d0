import assert from "node:assert/strict";
import { test } from "node:test";
import { isoWithOffset } from "../../domain/clock.ts";
import { BackupError, isBackupError } from "../../domain/error.ts";
import { MemoryStorage } from "../../storage/memory-storage.ts";
import type { Storage } from "../../storage/storage.ts";
import { withBadSector } from "../../testing/bad-sector.ts";
import { storeSample } from "../../testing/sample-repository.ts";
import { TestClock } from "../../testing/test-clock.ts";
import { cheapCost, openTestRepository, testPassword } from "../../testing/test-repository.ts";
import { noonMs, noWait, rejectsWith, signal, TestMachine } from "../../testing/vault-probe.ts";
import { failureOfFile } from "./input-failure.ts";
import { RepositoryKeyRing } from "./key-ring.ts";
import { listBackups } from "./list-backups.ts";
import { acquireLock } from "./locks/acquire-lock.ts";
import { openRepository } from "./open-repository.ts";
import { RepositoryRecords } from "./records.ts";

/** The same storage on a disk that cannot read one file. */
async function unreadable(
  storage: Storage,
  prefix: string,
): Promise<{ readonly storage: Storage; readonly name: string }> {
  const names = await Array.fromAsync(storage.list(prefix, signal), ({ name }) => name);
  const name = names.at(-1) ?? assert.fail(prefix);
  return { storage: withBadSector(storage, { name, at: 0 }), name };
}

test("failureOfFile() is of one file where the disk can read others, and of the storage where it cannot", async () => {
  const storage = new MemoryStorage();
  const error = new BackupError("storage-unavailable", "Cannot read x: EIO", { details: { code: "EIO" } });
  assert.equal(await failureOfFile(storage, error, signal), error, "nothing is made yet");
  await storage.put("config", Buffer.from("config"), signal);
  assert.equal(await failureOfFile(storage, error, signal), error);
  const gone = withBadSector(storage, { name: "config", at: 0, code: "ENOTCONN" });
  await assert.rejects(failureOfFile(gone, error, signal), /Cannot read config: ENOTCONN/);
  const away = new BackupError("storage-unavailable", "Cannot read x: EACCES", {
    details: { code: "EACCES" },
  });
  await assert.rejects(failureOfFile(storage, away, signal), (thrown) => thrown === away);
});

test("listBackups() shows a backup whose snapshot the disk cannot read, and the others", async () => {
  const inner = new MemoryStorage();
  const repo = await openTestRepository(inner);
  const ids = [await storeSample(repo, { "/a": ["a"] }), await storeSample(repo, { "/a": ["b"] }, 5)];
  const { storage, name } = await unreadable(inner, "snapshots/");
  const listed = await listBackups({ ...repo, storage }, signal);
  assert.deepEqual(listed.map(({ id }) => id).sort(), ids.sort());
  const lost = listed.find(({ id }) => name.endsWith(id));
  assert.equal(lost?.state, "damaged");
  assert.equal(lost.neverRemoved, true);
  assert.match(lost.stateReason, /EIO/);
});

test("openRepository() opens with any key that the disk can read, and names the other if none fits", async () => {
  const inner = new MemoryStorage();
  const repo = await openTestRepository(inner);
  const ring = new RepositoryKeyRing(repo, { keyCost: cheapCost });
  const second = await ring.add("second", { username: "ann", host: "desk", ...noWait }, signal);
  const storage = withBadSector(inner, { name: `keys/${second}`, at: 0 });
  const { machine, clock, toolVersion } = repo;
  const open = (password: string) =>
    openRepository({ storage, password, machine, clock, toolVersion }, signal);
  assert.equal((await open(testPassword)).keyId, repo.keyId);
  await assert.rejects(open("second"), (error) => {
    assert.ok(isBackupError(error, "wrong-password"));
    assert.match(error.hint ?? "", new RegExp(`keys/${second} cannot be read`));
    return true;
  });
});

test("a record that the disk cannot read still says what its name says", async () => {
  const inner = new MemoryStorage();
  const repo = await openTestRepository(inner);
  const at = isoWithOffset(noonMs);
  const backupId = "ab".repeat(32);
  const record = { kind: "pinned", backupId, at, host: "probe", message: "the audit" } as const;
  await new RepositoryRecords(repo).add(record, signal);
  const { storage, name } = await unreadable(inner, "vertex-backup/");
  const read = await new RepositoryRecords({ ...repo, storage }).list(signal);
  assert.deepEqual(read, [{ ...record, id: name, host: "", message: "" }]);
});

test("a lock that the disk cannot read keeps others out until it was silent for 30 minutes", async () => {
  const clock = new TestClock();
  const inner = new MemoryStorage(clock);
  const machines = new TestMachine();
  const repo = await openTestRepository(inner, { clock, machine: machines.process(1) });
  await acquireLock({ ...repo, machine: machines.process(2) }, { ...noWait, exclusive: false }, signal);
  const { storage } = await unreadable(inner, "locks/");
  const exclusive = { ...noWait, exclusive: true };
  await rejectsWith(acquireLock({ ...repo, storage }, exclusive, signal), "locked");
  clock.ms += 31 * 60_000;
  await (await acquireLock({ ...repo, storage }, exclusive, signal)).release();
});
