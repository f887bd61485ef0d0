import assert from "node:assert/strict";
import { test } from "node:test";
import { systemClock } from "../../domain/clock.ts";
import { isBackupError } from "../../domain/error.ts";
import { MemoryStorage } from "../../storage/memory-storage.ts";
import type { Storage } from "../../storage/storage.ts";
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

test("a repository on a full disk is held for a restore only when a removal that has begun is over", async () => {
  const inner = new MemoryStorage(systemClock);
  await openTestRepository(inner);
  const options = { clock: systemClock, toolVersion: "0.0.0-test", create: false };
  const password = async (): Promise<string> => testPassword;
  const machine = new TestMachine().process(1);
  await using remover = await openRepositoryVault({ ...options, storage: inner, machine, password }, signal);
  const full = fullStorage(inner);
  const looked = Promise.withResolvers<void>();
  const storage: Storage = {
    ...full,
    list: (prefix, by) => {
      if (prefix === "locks/") looked.resolve();
      return full.list(prefix, by);
    },
  };
  const other = new TestMachine().process(2);
  await using vault = await openRepositoryVault({ ...options, storage, machine: other, password }, signal);
  const order: string[] = [];
  let held: Promise<AsyncDisposable> | undefined;
  await remover.exclusively(
    async () => {
      held = vault.hold(signal);
      const noted = held.then(() => order.push("held"));
      await Promise.race([noted, looked.promise]);
      // Whoever did not wait has it by now.
      await new Promise((resolve) => setImmediate(resolve));
      order.push("removed");
    },
    noWait,
    signal,
  );
  await using _held = await held;
  assert.deepEqual(order, ["removed", "held"]);
});
