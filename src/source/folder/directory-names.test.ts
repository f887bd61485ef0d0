import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { byteStringFromText } from "../../domain/byte-string.ts";
import { fc } from "../../testing/properties.ts";
import { Breather } from "./breather.ts";
import {
  mergeSortedRuns,
  type NameSource,
  packSortedRun,
  readManyNames,
  readNames,
} from "./directory-names.ts";

function take(names: NameSource): string[] {
  const taken: string[] = [];
  for (let name = names.next(); name !== undefined; name = names.next()) taken.push(name);
  return taken;
}

test("mergeSortedRuns() hands out all names of all runs in order", () => {
  const name = fc.string({ minLength: 1, maxLength: 4 }).map((text) => text.replaceAll("/", "_"));
  fc.assert(
    fc.property(fc.array(fc.array(name, { maxLength: 20 }), { maxLength: 12 }), (runs) => {
      const packed = runs.map((run) => packSortedRun(run.toSorted()));
      assert.deepEqual(take(mergeSortedRuns(packed)), runs.flat().toSorted());
    }),
  );
});

test("readManyNames() reads in slices what readNames() reads at once", async (t) => {
  const folder = mkdtempSync(join(tmpdir(), "directory-names-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  for (let i = 0; i < 9000; i++) writeFileSync(join(folder, String((i * 7919) % 9001)), "");
  const path = byteStringFromText(folder);
  const sliced = take(await readManyNames(path, new Breather(), new AbortController().signal));
  assert.equal(sliced.length, 9000);
  assert.deepEqual(sliced, take(readNames(path)));
});
