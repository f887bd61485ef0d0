import assert from "node:assert/strict";
import { test } from "node:test";
import { samplePrunePlan } from "../../testing/fake-maintenance.ts";
import { createPalette } from "./palette.ts";
import { prunePlanLines, pruneSummary } from "./prune.ts";

const plain = createPalette(false);
const noPacks = { ...samplePrunePlan, packsRemoved: 0, packsRepacked: 0, bytesUnused: 0, bytesFreed: 0 };

test("a plan names the records that go, also where nothing else does", () => {
  const records = "2 records (pins and the like) of backups that are no longer there";
  const lines = prunePlanLines(samplePrunePlan, plain);
  const at = lines.findIndex((line) => line.endsWith("44 packs"));
  assert.equal(lines[at + 1]?.trim(), records);
  assert.deepEqual(prunePlanLines(noPacks, plain), [`  are removed  ${records}`]);
  assert.deepEqual(prunePlanLines({ ...noPacks, recordsRemoved: 0 }, plain), []);
});

test("a plan that leaves nothing says so", () => {
  const warning = /no backup: nothing of what is stored is needed/;
  assert.match(prunePlanLines({ ...samplePrunePlan, backups: 0 }, plain).join("\n"), warning);
  assert.doesNotMatch(prunePlanLines(samplePrunePlan, plain).join("\n"), warning);
  assert.deepEqual(prunePlanLines({ ...noPacks, backups: 0, recordsRemoved: 0 }, plain), []);
});

test("the outcome says what is gone, or that nothing changed", () => {
  const outcome = (plan: typeof noPacks, done: boolean, dryRun = false): string =>
    pruneSummary({ plan, done, dryRun }, plain);
  assert.match(outcome(samplePrunePlan, true), /^750.0 MB freed; removed: 2 records /);
  assert.equal(outcome({ ...samplePrunePlan, recordsRemoved: 0 }, true), "750.0 MB freed");
  assert.match(outcome(noPacks, true), /^0 B freed; removed: 2 records /);
  assert.match(outcome(noPacks, false, true), /would be/);
  assert.equal(outcome(noPacks, false), "Nothing was changed.");
  assert.match(outcome({ ...noPacks, recordsRemoved: 0 }, false), /^Nothing to free/);
});
