import assert from "node:assert/strict";
import { test } from "node:test";
import { BackupError } from "../../../domain/error.ts";
import { MemoryStorage } from "../../../storage/memory-storage.ts";
import type { Storage } from "../../../storage/storage.ts";
import { passOn } from "../../../testing/sabotaged-storage.ts";
import { storeSample } from "../../../testing/sample-repository.ts";
import { openTestRepository } from "../../../testing/test-repository.ts";
import { rejectsWith, signal } from "../../../testing/vault-probe.ts";
import { openBackupReader } from "../backup-reader.ts";
import type { RepositoryLock } from "../locks/repository-lock.ts";
import { takeSnapshot } from "./take-snapshot.ts";

/** A lock that is lost as soon as a snapshot is there, in a storage that removes none if told so. */
async function openTarget(removes: boolean) {
  const inner = new MemoryStorage();
  let isLost = false;
  const storage: Storage = {
    ...passOn(inner),
    put: async (name, content, either) => {
      await inner.put(name, content, either);
      isLost ||= name.startsWith("snapshots/");
    },
    remove: async (names, either) => {
      if (!removes) throw new BackupError("storage-unavailable", "Cannot remove: the network is gone");
      await inner.remove(names, either);
    },
  };
  const lock: Pick<RepositoryLock, "assertHeld" | "lost"> = {
    assertHeld: async () => {
      if (isLost) throw new BackupError("locked", "Cannot go on: the lock was taken for gone");
    },
    lost: signal,
  };
  return { inner, repo: await openTestRepository(storage), lock: lock as RepositoryLock };
}

test("takeSnapshot() takes its snapshot back where its lock was lost, and says so where it cannot (I1)", async () => {
  const source = await openTestRepository(new MemoryStorage());
  const id = await storeSample(source, { "/srv/a": ["a"] });
  for (const removes of [true, false]) {
    const { inner, repo, lock } = await openTarget(removes);
    await using reader = await openBackupReader(source, id, signal);
    const warnings: string[] = [];
    const observer = {
      progress() {},
      problem() {},
      warning: (message: string) => void warnings.push(message),
    };
    const target = { repo, lock, observer, idMayBeTaken: false, beforeVisible: async () => {} };
    await rejectsWith(takeSnapshot(target, reader.foreign ?? assert.fail(), signal), "locked");
    const left = (await Array.fromAsync(inner.list("snapshots/", signal))).map(({ name }) =>
      name.slice("snapshots/".length),
    );
    assert.equal(left.length, removes ? 0 : 1);
    assert.deepEqual(
      warnings,
      left.map((snapshot) => `The snapshot ${snapshot} could not be removed again`),
    );
  }
});
