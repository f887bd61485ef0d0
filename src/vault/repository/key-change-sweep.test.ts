import assert from "node:assert/strict";
import { test } from "node:test";
import { systemClock } from "../../domain/clock.ts";
import { isBackupError } from "../../domain/error.ts";
import type { ThisMachine } from "../../domain/run-owner.ts";
import type { Storage } from "../../storage/storage.ts";
import { passOn } from "../../testing/sabotaged-storage.ts";
import { objectsOf, storageOf, storeSample } from "../../testing/sample-repository.ts";
import { type SweepResult, sweepFaults } from "../../testing/sweep-faults.ts";
import { cheapCost, openTestRepository, testPassword } from "../../testing/test-repository.ts";
import { noWait, signal, TestMachine } from "../../testing/vault-probe.ts";
import { RepositoryKeyRing } from "./key-ring.ts";
import { openRepository } from "./open-repository.ts";
import type { Repository } from "./repository.ts";

const newPassword = "another horse";
const who = { username: undefined, host: undefined, ...noWait };

async function opens(
  storage: Storage,
  password: string,
  machine: ThisMachine,
): Promise<Repository | undefined> {
  const options = { storage, password, machine, clock: systemClock, toolVersion: "0.0.0-test" };
  try {
    return await openRepository(options, signal);
  } catch (error) {
    if (isBackupError(error, "wrong-password")) return undefined;
    throw error;
  }
}

/** Sweeps over a change of the password: one of both always opens the repository, with the same key in it. */
async function sweepKeyChange(sabotage: (storage: Storage) => Storage = (one) => one): Promise<SweepResult> {
  const template = await openTestRepository(await storageOf(new Map()));
  await storeSample(template, { "/a": ["a "] });
  const objects = await objectsOf(template.storage);
  const machines = { current: new TestMachine() };
  return await sweepFaults({
    open: async () => {
      machines.current = new TestMachine();
      return await storageOf(objects);
    },
    scenario: async (storage) => {
      const machine = machines.current.process(666);
      const repo = await openTestRepository(sabotage(storage), { machine });
      const keys = new RepositoryKeyRing(repo, { keyCost: cheapCost });
      await keys.changePassword(newPassword, who, signal);
    },
    check: async ({ storage, error }) => {
      machines.current.kill(666);
      const machine = machines.current.process(1);
      const [before, after] = [
        await opens(storage, testPassword, machine),
        await opens(storage, newPassword, machine),
      ];
      const repo = after ?? before;
      assert.ok(repo !== undefined, "one of both passwords opens it");
      assert.ok(Buffer.from(repo.key.encrypt).equals(template.key.encrypt), "it is the same key");
      if (error === undefined) assert.deepEqual([before, after === undefined], [undefined, false]);
      const keys = new RepositoryKeyRing(repo, { keyCost: cheapCost });
      await keys.changePassword(testPassword, who, signal);
      assert.ok((await opens(storage, testPassword, machine)) !== undefined);
    },
  });
}

test("changePassword(), cut short anywhere, leaves a repository that one of both passwords opens", async () => {
  const { tried, unreached } = await sweepKeyChange();
  assert.ok(tried > 60, `${tried} interruptions were tried`);
  assert.equal(unreached, 0);
});

test("the sweep finds a change of the password that removes the old key first", async () => {
  const removedFirst = (inner: Storage): Storage => ({
    ...passOn(inner),
    put: async (name, content, by) => {
      if (name.startsWith("keys/")) {
        for await (const old of inner.list("keys/", by)) await inner.remove([old.name], by);
      }
      await inner.put(name, content, by);
    },
  });
  await assert.rejects(sweepKeyChange(removedFirst), /The check failed after a fault/);
});
