import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { systemClock } from "../../domain/clock.ts";
import { silentObserver } from "../../domain/progress.ts";
import { MemoryStorage } from "../../storage/memory-storage.ts";
import { openTestVault } from "../../testing/archive-vault-places.ts";
import { everyFew, fewOf } from "../../testing/every-few.ts";
import { openTestRepositoryVault } from "../../testing/repository-vault-places.ts";
import { passOn } from "../../testing/sabotaged-storage.ts";
import { objectsOf, storageOf } from "../../testing/sample-repository.ts";
import { sweepFaults } from "../../testing/sweep-faults.ts";
import { backUp, noonMs, noWait, readAllOf, signal, TestMachine } from "../../testing/vault-probe.ts";
import type { Vault, VaultFormat } from "../../vault/vault.ts";
import type { OperationContext } from "../context.ts";
import { copyBackups } from "./copy-backups.ts";

/** Only what a copy looks at. */
function contextOf(vault: Vault, scratchDirectory: string): OperationContext {
  const machine = new TestMachine().process(1);
  const own = { vault, scratchDirectory, machine, clock: systemClock, lockWaitMs: 0 };
  return own as Partial<OperationContext> as OperationContext;
}

/** Every so many-eth interruption, as they take long. */
const every = everyFew(29);

for (const format of ["archive", "repository"] as const satisfies readonly VaultFormat[]) {
  test(`copyBackups() from a vault of format ${format} into a repository, cut short here and there, leaves whole backups and goes on`, async () => {
    const folder = await mkdtemp(join(tmpdir(), "vertex-copy-"));
    const process = new TestMachine().process(1);
    const open = format === "archive" ? openTestVault : openTestRepositoryVault;
    const source = await open({ ...passOn(new MemoryStorage()), location: "elsewhere" }, process);
    const contents: ReadonlyMap<string, string>[] = [];
    for (const version of [1, 2]) {
      const startedAtMs = noonMs + version * 60_000;
      contents.push((await backUp(source, folder, { startedAtMs, version })).content);
    }
    const empty = new MemoryStorage();
    await openTestRepositoryVault(empty, process);
    const objects = await objectsOf(empty);
    const from = contextOf(source, folder);
    const copyTo = (target: Vault) =>
      copyBackups(from, contextOf(target, folder), { signal, observer: silentObserver });
    const machines = { current: new TestMachine() };
    try {
      const { tried } = await sweepFaults({
        every,
        spare: 2,
        open: async () => {
          machines.current = new TestMachine();
          return await storageOf(objects);
        },
        scenario: async (storage) => {
          const victim = machines.current.process(666);
          await copyTo(await openTestRepositoryVault(storage, victim, false));
        },
        check: async ({ storage }) => {
          machines.current.kill(666);
          const target = await openTestRepositoryVault(storage, machines.current.process(1), false);
          const listed = await target.list(signal);
          assert.ok(listed.length <= 2);
          for (const { id, startedAtMs } of listed) {
            const version = (startedAtMs - noonMs) / 60_000;
            assert.deepEqual(await readAllOf(target, id), contents[version - 1], id);
          }
          const { outcomes } = await copyTo(target);
          const there = outcomes.filter(({ outcome }) => outcome === "there");
          assert.equal(there.length, listed.length, "what is there is not copied again");
          assert.equal((await target.list(signal)).length, 2);
          const report = await target.maintenance?.check({ ...noWait, readData: "all" }, signal);
          assert.deepEqual(report?.damages, []);
        },
      });
      assert.ok(tried > fewOf(150, 29), `${tried} interruptions were tried`);
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  });
}
