import assert from "node:assert/strict";
import { test } from "node:test";
import { systemClock } from "../../domain/clock.ts";
import { isBackupError } from "../../domain/error.ts";
import { MemoryStorage } from "../../storage/memory-storage.ts";
import { fullStorage } from "../../testing/full-storage.ts";
import { openTestRepository, testPassword } from "../../testing/test-repository.ts";
import { noWait, signal, TestMachine } from "../../testing/vault-probe.ts";
import { openRepositoryVault } from "./repository-vault.ts";

test("a repository on a full disk can be held for a restore, and says what removing takes", async () => {
  const inner = new MemoryStorage(systemClock);
  await openTestRepository(inner);
  const storage = fullStorage(inner);
  const machine = new TestMachine().process(1);
  await using vault = await openRepositoryVault(
    {
      ...{ storage, machine, clock: systemClock, toolVersion: "0.0.0-test", create: false },
      password: async () => testPassword,
    },
    signal,
  );
  await using _held = await vault.hold(signal);
  const removal = vault.exclusively(() => Promise.resolve(), noWait, signal);
  await assert.rejects(
    removal,
    (error) => isBackupError(error, "no-space") && /takes a lock, too/.test(error.hint ?? ""),
  );
});
