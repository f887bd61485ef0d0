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

test("a prepared walk is given out once, to whoever wants this very walk", async () => {
  using made = scene();
  const prepared = new PreparedWalk(systemClock);
  prepared.begin(made.options);
  // The first one stays.
  prepared.begin({ ...made.options, excludes: ["a"] });
  assert.equal(prepared.take({ ...made.options, excludes: ["a"] }), undefined);
  await using walk = prepared.take({ ...made.options });
  assert.ok(walk !== undefined);
  assert.equal(prepared.take(made.options), undefined);
  const found = await Array.fromAsync(walk.entries(() => assert.fail(), signal));
  assert.equal(found.flat().length, 2);
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
  // Some folders tell how many entries there may be: three of these 150 are looked into.
  for (let i = 0; i < 150; i++) mkdirSync(join(made.path, `d${String(i).padStart(3, "0")}`));
  for (const name of ["d000", "d075", "d149", "d074", "d076"])
    for (let i = 0; i < 150; i++) writeFileSync(join(made.path, name, `f${i}`), "");
  assert.ok(seemsToHoldMany(made.path, entriesWorthThread));
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
