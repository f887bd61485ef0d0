/**
 * The fault sweep of the repository vault, each interruption of it; the unit tests try
 * every few of them.
 *
 * @module
 */

import assert from "node:assert/strict";
import { test } from "node:test";
import { backupTypes } from "../../src/domain/backup.ts";
import { sweepCreate, sweepRemove } from "../../src/testing/repository-vault-sweep.ts";

/** Trees are read ahead and files stored side by side, so that a few calls come in one run and not in another. */
const unreachedShareMax = 0.25;

for (const type of backupTypes) {
  test(`begin() to finish() of a ${type} backup in a repository, cut short anywhere, leaves whole backups and nothing else`, async () => {
    const { tried, unreached } = await sweepCreate(type);
    assert.ok(tried > 100, `${tried} interruptions were tried`);
    assert.ok(unreached <= tried * unreachedShareMax, `${unreached} of ${tried} were not reached`);
  });
}

test("remove() of a backup in a repository, cut short anywhere, leaves whole backups and nothing else", async () => {
  const { tried, unreached } = await sweepRemove();
  assert.ok(tried > 100, `${tried} interruptions were tried`);
  assert.equal(unreached, 0);
});
