import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import "../testing/kept-captures.ts";
import { createBackupManager } from "../app/create-backup-manager.ts";
import type { Clock } from "../domain/clock.ts";
import { createLiveApp, type LiveApp } from "../testing/live-app.ts";
import type { BackupManager } from "./backup-manager.ts";

interface Scene extends AsyncDisposable {
  readonly app: LiveApp;
  readonly manager: BackupManager;
  /** Makes a backup at this instant, and returns its id. */
  createAt(utc: string): Promise<string>;
}

/** An app whose clock is set by hand. @param retention What stays when a backup was made */
function openScene(retention: { readonly last?: number; readonly hourly?: number } | undefined): Scene {
  const app = createLiveApp(retention === undefined ? {} : { retention });
  let nowMs = 0;
  const clock: Clock = { now: () => nowMs, elapsed: () => performance.now() };
  const manager = createBackupManager(app.configuration, { clock });
  return {
    app,
    manager,
    async createAt(utc) {
      nowMs = Date.parse(utc);
      return (await manager.backupDatabase({ rotate: retention !== undefined })).backup.id;
    },
    async [Symbol.asyncDispose]() {
      await manager[Symbol.asyncDispose]();
      await app[Symbol.asyncDispose]();
    },
  };
}

async function idsOf(manager: BackupManager): Promise<readonly string[]> {
  return (await manager.listBackups()).map(({ id }) => id);
}

test("the hour that comes twice when clocks go back: names differ, the order is that of time, and hourly keeps one of each", async () => {
  const before = process.env["TZ"];
  process.env["TZ"] = "Europe/Berlin";
  try {
    await using scene = openScene(undefined);
    const { manager, createAt } = scene;
    const first = await createAt("2026-10-25T00:30:00Z");
    const second = await createAt("2026-10-25T01:30:00Z");
    assert.deepEqual([first, second], ["db_backup_20261025_023000", "db_backup_20261025_023000-2"]);
    const listed = await manager.listBackups();
    assert.deepEqual(
      listed.map(({ id, startedAt }) => [id, startedAt]),
      [
        [second, "2026-10-25T02:30:00.000+01:00"],
        [first, "2026-10-25T02:30:00.000+02:00"],
      ],
    );
    assert.equal((await manager.getBackup("latest")).id, second);
    assert.equal((await manager.getBackup(first)).id, first);
    await createAt("2026-10-25T01:45:00Z");
    const { removed } = await manager.rotateBackups({ rules: { hourly: 2 }, dryRun: true });
    assert.deepEqual(removed, [second]);
  } finally {
    if (before === undefined) delete process.env["TZ"];
    else process.env["TZ"] = before;
  }
});

test("after the clock was set back a backup does not rotate away itself, and the next one rotates it", async () => {
  await using scene = openScene({ last: 1 });
  const { manager, createAt } = scene;
  const newest = await createAt("2026-10-25T12:00:00Z");
  const earlier = await createAt("2026-10-24T14:00:00Z");
  assert.deepEqual(await idsOf(manager), [newest, earlier]);
  const next = await createAt("2026-10-24T15:00:00Z");
  assert.deepEqual(await idsOf(manager), [newest, next]);
  assert.equal(
    (await manager.getBackup("latest")).id,
    newest,
    "less than a day ahead: latest goes by the times",
  );
  const afterwards = await createAt("2026-10-25T13:00:00Z");
  assert.deepEqual(await idsOf(manager), [afterwards]);
});

test("a backup from the future is listed, kept and counted for nothing, and is not latest while there is another", async () => {
  await using scene = openScene({ last: 1 });
  const { manager, createAt } = scene;
  const future = await createAt("2031-01-01T00:00:00Z");
  const first = await createAt("2026-10-25T12:00:00Z");
  assert.deepEqual(await idsOf(manager), [future, first]);
  const second = await createAt("2026-10-26T12:00:00Z");
  assert.deepEqual(await idsOf(manager), [future, second]);
  assert.equal((await manager.getBackup("latest")).id, second);
  assert.equal((await manager.planRestore({ backup: "latest", target: "./unused" })).backup?.id, second);
  const { decisions } = await manager.rotateBackups({ dryRun: true });
  assert.deepEqual(
    decisions.map(({ reasons }) => reasons.join()),
    ["dated in the future", "last,newest good"],
  );
});

test("a clock that starts in 1970 removes nothing, and what is made under it is latest while it lasts", async () => {
  await using scene = openScene({ last: 1 });
  const { manager, createAt } = scene;
  const before = await createAt("2026-10-25T12:00:00Z");
  const reset = await createAt("1970-01-01T01:00:00Z");
  assert.deepEqual(await idsOf(manager), [before, reset]);
  assert.equal((await manager.getBackup("latest")).id, reset, "the one that was made last");
});

test("after the clock was set back an undo and a discard are about the restore that was made last", async () => {
  await using scene = openScene(undefined);
  const { app, manager, createAt } = scene;
  const backup = await createAt("2031-01-01T00:00:00Z");
  const target = join(app.directory, "other");
  const { restoreId: first } = await manager.restoreBackup({ backup, target });
  await createAt("2026-10-25T12:00:00Z");
  const { restoreId: last } = await manager.restoreBackup({ backup });
  assert.equal((await manager.findKeptRestore())?.restoreId, last);
  assert.equal((await manager.undoRestore()).restoreId, last);
  await manager.discardPreviousState();
  assert.equal((await manager.findKeptRestore())?.restoreId, first);
});
