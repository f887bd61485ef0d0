import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { isBackupError } from "../../domain/error.ts";
import { fewOf } from "../../testing/every-few.ts";
import type { Fault } from "../../testing/faulty-storage.ts";
import type { Storage } from "../../storage/storage.ts";
import { fc } from "../../testing/properties.ts";
import {
  indexBeforePacks,
  packsRemovedBeforeIndex,
  snapshotBeforeIndex,
  snapshotBeforePacks,
} from "../../testing/sabotaged-storage.ts";
import { RepositoryModel, type Step, step } from "../../testing/repository-model.ts";

async function withModel(steps: readonly Step[], sabotage?: (storage: Storage) => Storage): Promise<number> {
  const folder = await mkdtemp(join(tmpdir(), "vertex-model-"));
  try {
    const model = new RepositoryModel(folder, sabotage);
    await model.open();
    for (const one of steps) await model.take(one);
    return model.cutShort;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Runs of the whole sweep for which the unit tests make one. */
const few = 10;

test("whatever is done to a repository, and wherever it is cut short, it gives back what a plain model holds", async () => {
  let cutShort = 0;
  const anySteps = fc.array(step, { minLength: 8, maxLength: 16 });
  const tryThem = async (steps: readonly Step[]): Promise<void> => {
    const found = await withModel(steps);
    cutShort += found;
  };
  await fc.assert(fc.asyncProperty(anySteps, tryThem), { numRuns: fewOf(50, few), endOnFailure: true });
  // Of few runs all may have come to their end.
  for (const steps of fc.sample(anySteps, 50)) if (cutShort === 0) await tryThem(steps);
  assert.ok(cutShort > 0, "some operations were cut short");
});

/** How many packs a run makes is left to chance, and so is which of its calls is which. */
const triesPerCall = 40;

/** Whether some run that dies at one of its calls breaks the law. */
async function isFound(
  sabotage: (storage: Storage) => Storage,
  operation: Fault["operation"],
  stepsOf: (dies: Fault) => readonly Step[],
): Promise<boolean> {
  for (let i = 0; i < 8 * triesPerCall; i++) {
    const steps = stepsOf({ operation, nth: 1 + (i % 8), mode: "after", crash: true });
    const error = await withModel(steps, sabotage).catch((thrown: unknown) => thrown);
    if (error instanceof assert.AssertionError || isBackupError(error, "damaged")) return true;
  }
  return false;
}

const write = (text: number): Step => ({ does: "write", name: "a", text });
const create: Step = { does: "create", parent: 0 };

for (const [what, sabotage] of [
  ["a backup that is named before its packs are there", snapshotBeforePacks],
  ["a backup that is named before its index is there", snapshotBeforeIndex],
  ["an index that is stored before the packs in it", indexBeforePacks],
] as const) {
  test(`the model finds ${what}`, async () => {
    assert.ok(await isFound(sabotage, "put", (dies) => [write(0), { ...create, dies }]));
  });
}

test("the model finds a prune that removes packs before the new index is there", async () => {
  const stepsOf = (dies: Fault): readonly Step[] => [
    ...[write(0), { does: "write", name: "g", text: 1 } as const, create, write(1), create],
    ...[{ does: "remove", which: 0 } as const, { does: "prune", maxUnusedPercent: 0, dies } as const],
  ];
  assert.ok(await isFound(packsRemovedBeforeIndex, "remove", stepsOf));
});
