import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { systemClock } from "../domain/clock.ts";
import { silentObserver } from "../domain/progress.ts";
import type { OperationContext } from "../operations/context.ts";
import { recoverFirst } from "../operations/recover-first.ts";
import { seemsToHoldMany } from "../source/folder/guess-size.ts";
import type { WalkOptions } from "../source/folder/walk-folder.ts";
import { entriesWorthThread } from "../source/folder/walk-thread.ts";
import { createBackupManager } from "./create-backup-manager.ts";
import { PreparedWalk } from "./prepared-walk.ts";

const { signal } = new AbortController();

function scene(): { readonly path: string; readonly options: WalkOptions } & Disposable {
  const path = mkdtempSync(join(tmpdir(), "vertex-prepared-walk-"));
  writeFileSync(join(path, "a"), "");
  const root = { name: "files", path };
  return {
    path,
    options: { root, excludes: [], oneFileSystem: false, excludeCaches: false, skip: new Set() },
    [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }),
  };
}

/** Some folders tell how many entries there may be: three of these 150 are looked into. */
function makeLargeFolder(path: string): void {
  for (let i = 0; i < 150; i++) mkdirSync(join(path, `d${String(i).padStart(3, "0")}`));
  for (const name of ["d000", "d075", "d149", "d074", "d076"])
    for (let i = 0; i < 150; i++) writeFileSync(join(path, name, `f${i}`), "");
  assert.ok(seemsToHoldMany(path, entriesWorthThread));
}

test("the prepared walk that was begun last is given out once, to whoever wants this very walk", async () => {
  using made = scene();
  const prepared = new PreparedWalk(systemClock);
  await using _first = prepared.begin({ ...made.options, excludes: ["a"] });
  await using _second = prepared.begin(made.options);
  assert.equal(prepared.take({ ...made.options, excludes: ["a"] }), undefined);
  await using walk = prepared.take({ ...made.options });
  assert.ok(walk !== undefined);
  assert.equal(prepared.take(made.options), undefined);
  const found = await Array.fromAsync(walk.entries(() => assert.fail(), signal));
  assert.equal(found.flat().length, 2);
});

test("a prepared walk does not outlive the backup it was begun for, and does not end that of another", async () => {
  using made = scene();
  const prepared = new PreparedWalk(systemClock);
  const first = prepared.begin(made.options);
  await first[Symbol.asyncDispose]();
  assert.equal(prepared.take(made.options), undefined);
  const second = prepared.begin(made.options);
  const third = prepared.begin(made.options);
  await second[Symbol.asyncDispose]();
  await using walk = prepared.take(made.options);
  assert.ok(walk !== undefined);
  await third[Symbol.asyncDispose]();
  assert.equal((await Array.fromAsync(walk.entries(() => assert.fail(), signal))).flat().length, 2);
});

test("a backup sees what came after an earlier one was cancelled", async () => {
  using made = scene();
  makeLargeFolder(made.path);
  await using manager = createBackupManager({
    vault: join(made.path, "vault"),
    state: join(made.path, "state"),
    sources: [{ name: "app", storage: [made.path] }],
  });
  const { backup: before } = await manager.createBackup();
  const controller = new AbortController();
  const cancelled = manager.createBackup({ signal: controller.signal });
  controller.abort();
  await assert.rejects(cancelled, { name: "AbortError" });
  writeFileSync(join(made.path, "d000", "new"), "");
  const { backup } = await manager.createBackup();
  assert.equal(backup.counts.files, before.counts.files + 1);
});

test("a prepared walk that was dropped is given to nobody", async () => {
  using made = scene();
  const prepared = new PreparedWalk(systemClock);
  prepared.begin(made.options);
  await prepared.drop();
  assert.equal(prepared.take(made.options), undefined);
});

test("a prepared walk is dropped before an interrupted restore is finished", async () => {
  using made = scene();
  const state = join(made.path, "state");
  mkdirSync(join(state, "restores"), { recursive: true });
  let dropped = 0;
  const dropWalk = async (): Promise<void> => void dropped++;
  const context = { stateDirectory: state, dropWalk } as Partial<OperationContext> as OperationContext;
  const started = { signal, observer: silentObserver };
  await recoverFirst(context, "create", started);
  assert.equal(dropped, 0);
  writeFileSync(join(state, "restores", "20260101_000000-0badc0.json"), "{ not a journal");
  await recoverFirst(context, "create", started);
  assert.equal(dropped, 1);
});

test("a folder that seems large is backed up as ever, also where the vault is made in it meanwhile", async () => {
  using made = scene();
  makeLargeFolder(made.path);
  const places = { vault: join(made.path, "vault"), state: join(made.path, "state") };
  await using manager = createBackupManager({
    ...places,
    sources: [{ name: "app", storage: [made.path], databases: [join(made.path, "no.db")] }],
  });
  for (const round of ["first", "second"]) {
    const { backup } = await manager.backupStorage();
    assert.equal(backup.state, "good", round);
    assert.equal(backup.counts.files, 1 + 5 * 150, round);
    assert.equal(backup.counts.directories, 1 + 150, round);
  }
});
