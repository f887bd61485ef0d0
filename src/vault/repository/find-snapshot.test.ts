import assert from "node:assert/strict";
import { tmpdir } from "node:os";
import { test } from "node:test";
import { encodeSnapshot } from "../../format/restic/snapshot.ts";
import { MemoryStorage } from "../../storage/memory-storage.ts";
import type { Storage } from "../../storage/storage.ts";
import { withBadSector } from "../../testing/bad-sector.ts";
import { storeSample } from "../../testing/sample-repository.ts";
import { openTestRepository } from "../../testing/test-repository.ts";
import { rejectsWith, signal, verifyOptions } from "../../testing/vault-probe.ts";
import { openBackupReader } from "./backup-reader.ts";
import { findSnapshot } from "./find-snapshot.ts";
import { listBackups } from "./list-backups.ts";
import { loadSnapshots } from "./maintenance/load-snapshots.ts";
import { saveObject } from "./objects.ts";
import { verifyBackup } from "./verify-backup.ts";

/** Both ways in which a snapshot's file may fail. */
const failures: readonly ((storage: Storage, name: string) => Promise<Storage>)[] = [
  async (storage, name) => {
    await storage.remove([name], signal);
    await storage.put(name, Buffer.from("no snapshot"), signal);
    return storage;
  },
  async (storage, name) => withBadSector(storage, { name, at: 3 }),
];

test("findSnapshot() finds the copy that has the place of a snapshot whose file cannot be read", async () => {
  for (const failing of failures) {
    const storage = new MemoryStorage();
    const whole = await openTestRepository(storage);
    const id = await storeSample(whole, { "/srv/a": ["a"] });
    const { snapshots } = await loadSnapshots(whole, signal);
    const { document } = snapshots[0] ?? assert.fail();
    const repo = await openTestRepository(await failing(storage, `snapshots/${id}`));
    await rejectsWith(
      findSnapshot(repo, id, signal),
      repo.storage === storage ? "damaged" : "storage-unavailable",
    );
    const copy = await saveObject(repo, "snapshots", encodeSnapshot({ ...document, original: id }), signal);
    assert.equal((await findSnapshot(repo, id, signal)).snapshotId, copy);
    const listed = await listBackups(repo, signal);
    assert.deepEqual(
      listed.map((backup) => [backup.id, backup.state]),
      [[id, "good"]],
    );
    await using reader = await openBackupReader(repo, id, signal);
    assert.ok((await Array.fromAsync(reader.entries(signal))).length > 0);
    assert.equal((await verifyBackup(repo, id, verifyOptions(tmpdir()), signal)).ok, true);
  }
});
