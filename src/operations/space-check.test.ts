import assert from "node:assert/strict";
import { statSync } from "node:fs";
import { test } from "node:test";
import "../testing/kept-captures.ts";
import { isBackupError } from "../domain/error.ts";
import { silentObserver } from "../domain/progress.ts";
import { createLiveApp } from "../testing/live-app.ts";
import { openLiveContext } from "../testing/live-context.ts";
import { signal } from "../testing/vault-probe.ts";
import { backUp } from "./back-up.ts";

const request = { signal, observer: silentObserver } as const;

test("a backup warns where the vault may run full by the measure of the last, and is made", async () => {
  await using app = createLiveApp();
  const free = { bytes: statSync(app.database).size };
  const context = await openLiveContext(app, async () => free.bytes);
  await using _ = context.vault;
  assert.deepEqual((await backUp(context, request)).warnings, [], "a first backup has nothing to go by");
  const { backup, warnings } = await backUp(context, request);
  assert.equal(backup.state, "good");
  assert.match(
    warnings.join(),
    /^.*backups may run full: .* are free, and going by full_backup_.* about .* are needed$/,
  );
  free.bytes *= 10;
  assert.deepEqual((await backUp(context, request)).warnings, []);
});

test("a backup is refused where the databases alone are larger than what is free", async () => {
  await using app = createLiveApp();
  const free = { bytes: statSync(app.database).size - 1 };
  const context = await openLiveContext(app, async () => free.bytes);
  await using _ = context.vault;
  await assert.rejects(backUp(context, request), (error) => isBackupError(error, "no-space"));
  assert.equal((await backUp(context, { ...request, type: "storage" })).backup.state, "good");
});
