import assert from "node:assert/strict";
import { test } from "node:test";
import { objectsOf, storageOf, storeSample } from "../../../../testing/sample-repository.ts";
import { openTestRepository } from "../../../../testing/test-repository.ts";
import { noWait, signal } from "../../../../testing/vault-probe.ts";
import type { Repository } from "../../repository.ts";
import { checkRepository } from "./check-repository.ts";

type Objects = ReadonlyMap<string, Buffer>;

async function makeSample(): Promise<{ readonly repo: Repository; readonly objects: Objects }> {
  const repo = await openTestRepository(await storageOf(new Map()));
  await storeSample(repo, { "/a": ["a "], "/d/b": ["b "] });
  await storeSample(repo, { "/a": ["another "] }, 1);
  return { repo, objects: await objectsOf(repo.storage) };
}

/** Asserts that a check with all data names each of `names` as damaged. */
async function assertFound(repo: Repository, objects: Objects, names: readonly string[], what: string) {
  const spoiled = { ...repo, storage: await storageOf(objects) };
  const report = await checkRepository(spoiled, { ...noWait, readData: "all" }, () => 0, signal);
  assert.equal(report.ok, false, what);
  for (const name of names) {
    const isNamed = report.damages.some(({ object }) => object === name);
    assert.ok(isNamed, `${what}: ${JSON.stringify(report.damages)}`);
  }
}

function changed(objects: Objects, name: string, bytes: Buffer): Objects {
  return new Map(objects).set(name, bytes);
}

test("check() with all data finds any file that is cut short, wherever that is", async () => {
  const { repo, objects } = await makeSample();
  let tried = 0;
  for (const [name, bytes] of objects) {
    // Short of every part of a file: IV, MAC, blobs, header, the header's length.
    for (let end = 0; end < bytes.length; end += end + 20 < bytes.length ? 13 : 1) {
      await assertFound(
        repo,
        changed(objects, name, bytes.subarray(0, end)),
        [name],
        `${name} cut to ${end}`,
      );
      tried++;
    }
  }
  assert.ok(tried > 250, `${tried} were tried`);
});

test("check() with all data finds any file that something was added to", async () => {
  const { repo, objects } = await makeSample();
  for (const [name, bytes] of objects) {
    for (const more of [Buffer.of(0), Buffer.alloc(16), bytes]) {
      const longer = changed(objects, name, Buffer.concat([bytes, more]));
      await assertFound(repo, longer, [name], `${name} with ${more.length} more bytes`);
    }
  }
});

test("check() with all data finds any two files that changed places, and any that bears another's name", async () => {
  const { repo, objects } = await makeSample();
  const names = [...objects.keys()];
  assert.equal(
    new Set(names.map((name) => name.slice(0, 4))).size,
    5,
    "config, keys, index, snapshots, data",
  );
  for (const one of names) {
    for (const other of names) {
      if (one === other) continue;
      const [bytes, otherBytes] = [objects.get(one) ?? assert.fail(), objects.get(other) ?? assert.fail()];
      await assertFound(repo, changed(objects, one, otherBytes), [one], `${other} in the place of ${one}`);
      if (one > other) continue;
      const swapped = changed(changed(objects, one, otherBytes), other, bytes);
      // Where no index can be read that lists a pack, the pack is of no interest.
      const hasIndex = one.startsWith("index/") || other.startsWith("index/");
      const named = [one, other].filter((name) => !hasIndex || !name.startsWith("data/"));
      await assertFound(repo, swapped, named, `${one} and ${other} swapped`);
    }
  }
});

test("check() finds any file that is gone, the last key too", async () => {
  const { repo, objects } = await makeSample();
  for (const name of objects.keys()) {
    const left = new Map([...objects].filter(([other]) => other !== name));
    // A snapshot that is gone is one that was removed.
    if (name.startsWith("snapshots/")) continue;
    await assertFound(repo, left, [], `without ${name}`);
  }
});
