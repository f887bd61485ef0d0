import assert from "node:assert/strict";
import { hash } from "node:crypto";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import type { Storage } from "../../../../storage/storage.ts";
import { passOn } from "../../../../testing/sabotaged-storage.ts";
import { objectsOf, storageOf, storeSample } from "../../../../testing/sample-repository.ts";
import { openTestRepository } from "../../../../testing/test-repository.ts";
import { noWait, signal } from "../../../../testing/vault-probe.ts";
import { loadIndex } from "../../load-index.ts";
import { packName } from "../../objects.ts";
import { checkRepository } from "./check-repository.ts";

/** Long enough that what was read before has led to all it leads to. */
const laterMs = 100;

/** Gives trees at once, one pack later, and the other packs of data when that one was read. */
function readEarly(inner: Storage, early: string, others: ReadonlySet<string>): Storage {
  const { promise: wasRead, resolve } = Promise.withResolvers<void>();
  return {
    ...passOn(inner),
    async *get(name, range, either) {
      if (others.has(name)) await wasRead;
      if (name === early || others.has(name)) await sleep(laterMs);
      yield* inner.get(name, range, either);
      if (name === early) resolve();
    },
  };
}

test("check() names what a damaged pack concerns also when whole packs are read to their end after it", async () => {
  const repo = await openTestRepository(await storageOf(new Map()));
  const snapshot = await storeSample(repo, { "/srv/app/a.txt": ["a "] });
  await storeSample(repo, { "/srv/app/z.txt": ["zee "] }, 5);
  const { index } = await loadIndex(repo, signal);
  const place = index.find(hash("sha256", "a ", "hex"), "data");
  const name = packName(place?.pack ?? "");
  const objects = new Map(await objectsOf(repo.storage));
  const bytes = Buffer.from(objects.get(name) ?? assert.fail(name));
  bytes.writeUInt8((bytes[20] ?? 0) ^ 1, 20);
  const dataPacks = Array.from(index.packs()).filter(({ blobs }) => blobs[0]?.type === "data");
  const others = new Set(dataPacks.map(({ id }) => packName(id)).filter((other) => other !== name));
  assert.equal(others.size, 1);
  const storage = readEarly(await storageOf(new Map(objects).set(name, bytes)), name, others);
  const report = await checkRepository({ ...repo, storage }, { ...noWait, readData: "all" }, () => 0, signal);
  assert.deepEqual(report.affected, [snapshot]);
  assert.deepEqual(
    report.damages.flatMap(({ path }) => path ?? []),
    ["/srv/app/a.txt"],
  );
});
