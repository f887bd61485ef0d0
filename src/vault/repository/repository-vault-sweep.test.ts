import assert from "node:assert/strict";
import { test } from "node:test";
import type { Storage } from "../../storage/storage.ts";
import { sweepCreate, sweepRemove } from "../../testing/repository-vault-sweep.ts";
import { passOn, snapshotBeforeIndex, snapshotBeforePacks } from "../../testing/sabotaged-storage.ts";

// Each of them: test/sweep/repository-sweep.test.ts. Trees are read ahead and files stored side by side, so that
// how many calls there are differs from run to run, the more the busier the machine is.
test("begin() to finish() of a backup in a repository, cut short here and there, leaves whole backups and nothing else", async () => {
  const { tried, unreached } = await sweepCreate("full", { every: 11 });
  assert.ok(tried > 10, `${tried} interruptions were tried`);
  assert.ok(unreached < tried / 2, `${unreached} of ${tried} were not reached`);
});

test("remove() of a backup in a repository, cut short here and there, leaves whole backups and nothing else", async () => {
  const { tried, unreached } = await sweepRemove({ every: 5 });
  assert.ok(tried > 20, `${tried} interruptions were tried`);
  assert.equal(unreached, 0);
});

for (const [what, sabotage] of [
  ["packs are stored after its snapshot", snapshotBeforePacks],
  ["index is stored after its snapshot", snapshotBeforeIndex],
] as const) {
  test(`the sweep catches a backup whose ${what}`, async () => {
    const options = { sabotage, spare: 3 };
    await assert.rejects(sweepCreate("database", options), /The check failed after a fault/);
  });
}

test("the sweep catches a removal that takes what other backups need", async () => {
  const bytesFirst = (inner: Storage): Storage => ({
    ...passOn(inner),
    remove: async (names, signal) => {
      if (names.some((name) => name.startsWith("snapshots/"))) {
        for await (const { name } of inner.list("index/", signal)) await inner.remove([name], signal);
      }
      await inner.remove(names, signal);
    },
  });
  await assert.rejects(sweepRemove({ sabotage: bytesFirst, every: 5 }));
});
