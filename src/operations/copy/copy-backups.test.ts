import assert from "node:assert/strict";
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import "../../testing/kept-captures.ts";
import type { Backup } from "../../domain/backup.ts";
import { isBackupError } from "../../domain/error.ts";
import type { Progress } from "../../domain/progress.ts";
import { createBrowseScene } from "../../testing/browse-scene.ts";
import { sampleBackup } from "../../testing/sample-backup.ts";
import type { BackupManager } from "../backup-manager.ts";
import { CopiedAlready, originOf } from "./copied-already.ts";
import type { CopyResult } from "./copy-requests.ts";

/** All that is in a backup, with the hash of its bytes. */
async function contentsOf(manager: BackupManager, backup: string): Promise<unknown[]> {
  const entries = await Array.fromAsync(manager.browse.listEntries({ backup, recursive: true }));
  return entries.map(
    ({ path, kind, mode, uid, gid, sizeBytes, linkTarget, hardLinkTo, sha256, modifiedAtMs }) => [
      ...[path, kind, mode, uid, gid, sizeBytes, linkTarget, hardLinkTo, sha256],
      kind === "database" ? 0 : modifiedAtMs,
    ],
  );
}

function outcomesOf({ outcomes }: CopyResult): string[] {
  return outcomes.map(({ outcome }) => outcome);
}

/** What a copy has to have in common with what it was copied from. */
function essence(backup: Backup): unknown {
  const { type, source, host, startedAtMs, durationMs, state, stateReason, suspect, safety, pinned } = backup;
  const { tags, sourceBytes, roots, problems, problemCount } = backup;
  const { unchangedFiles: _, ...counts } = backup.counts;
  const databases = backup.databases.map(({ sha256: _sum, ...database }) => database);
  return {
    ...{ type, source, host, startedAtMs, durationMs, state, stateReason, suspect, safety, pinned },
    ...{ tags, sourceBytes, roots, problems, problemCount, counts, databases },
  };
}

test("copyBackups() copies everything with all that is known of it, and passes over what is there", async () => {
  await using scene = createBrowseScene();
  const { manager } = scene;
  const first = (await manager.createBackup({ tags: ["before-upgrade"] })).backup;
  await manager.pinBackup(first.id);
  rmSync(join(scene.app.uploads, "deep"), { recursive: true });
  await manager.backupDatabase();
  await manager.backupStorage();
  const offsite = scene.otherManager("offsite");
  const progress: Progress[] = [];
  const observer = { progress: (one: Progress) => void progress.push(one), warning() {}, problem() {} };
  const result = await manager.copyBackups(offsite, { observer });
  assert.deepEqual(outcomesOf(result), ["copied", "copied", "copied"]);
  const [here, there] = [await manager.listBackups(), await offsite.listBackups()];
  assert.deepEqual(there.map(essence), here.map(essence));
  assert.deepEqual(
    there.map(({ copiedFrom }) => copiedFrom),
    here.map(({ id }) => ({ id, vault: scene.app.vault })),
  );
  for (const [index, { id }] of here.entries()) {
    assert.deepEqual(await contentsOf(offsite, there[index]!.id), await contentsOf(manager, id));
  }
  assert.equal((await offsite.verifyBackup()).ok, true);
  assert.equal(
    result.bytesCopied,
    here.reduce((sum, { sourceBytes }) => sum + sourceBytes, 0),
  );
  const copying = progress.filter(({ phase }) => phase === "copy");
  assert.deepEqual(
    [copying.at(-1)?.bytesDone, copying.at(-1)?.itemsDone, copying.at(-1)?.itemsTotal],
    [result.bytesCopied, 3, 3],
  );
  assert.ok(!progress.some(({ phase }) => phase === "store"));

  assert.deepEqual(outcomesOf(await manager.copyBackups(offsite)), ["there", "there", "there"]);
  // Copies of copies are known, also where they come back to.
  assert.deepEqual(outcomesOf(await offsite.copyBackups(manager)), ["there", "there", "there"]);
  const third = scene.otherManager("third");
  assert.deepEqual(outcomesOf(await offsite.copyBackups(third, { backups: [there[2]!.id] })), ["copied"]);
  assert.deepEqual((await third.listBackups())[0]?.copiedFrom, { id: first.id, vault: scene.app.vault });
  assert.deepEqual(outcomesOf(await manager.copyBackups(third)), ["there", "copied", "copied"]);
});

test("copyBackups() copies those that are named, and with dryRun nothing", async () => {
  await using scene = createBrowseScene();
  await scene.manager.createBackup();
  const second = (await scene.manager.createBackup()).backup;
  const offsite = scene.otherManager("offsite");
  const missing = scene.manager.copyBackups(offsite, { dryRun: true });
  await assert.rejects(missing, (error) => isBackupError(error, "not-found"));
  await offsite.maintenance.createVault({ format: "archive" });
  const planned = await scene.manager.copyBackups(offsite, { dryRun: true });
  assert.deepEqual([planned.dryRun, ...outcomesOf(planned)], [true, "copied", "copied"]);
  assert.deepEqual(await offsite.listBackups(), []);
  const named = await scene.manager.copyBackups(offsite, { backups: ["latest", second.id] });
  assert.deepEqual(outcomesOf(named), ["copied"]);
  assert.equal((await offsite.listBackups())[0]?.copiedFrom?.id, second.id);
});

test("copyBackups() goes on after a backup that is damaged, and leaves nothing of it", async () => {
  await using scene = createBrowseScene();
  const [first, second, third] = [
    (await scene.manager.createBackup()).backup,
    (await scene.manager.createBackup()).backup,
    (await scene.manager.createBackup()).backup,
  ];
  const damage = (backup: Backup, role: string, at: number): void => {
    const path = join(scene.app.vault, backup.files.find((file) => file.role === role)?.name ?? "");
    const bytes = readFileSync(path);
    bytes[Math.floor(bytes.length * at)]! ^= 1;
    rmSync(path);
    writeFileSync(path, bytes);
  };
  damage(first, "archive", 0.9);
  damage(second, "database", 0.5);
  const offsite = scene.otherManager("offsite");
  const { outcomes } = await scene.manager.copyBackups(offsite);
  assert.deepEqual(
    outcomes.map(({ outcome, backup }) => [outcome, backup.id]),
    [
      ["failed", first.id],
      ["failed", second.id],
      ["copied", third.id],
    ],
  );
  for (const one of outcomes.slice(0, 2)) {
    assert.ok(one.outcome === "failed" && isBackupError(one.error, "damaged"));
  }
  assert.equal((await offsite.listBackups()).length, 1);
  assert.equal((await offsite.verifyBackup()).ok, true);
});

test("copyBackups() leaves out what is not ours, and refuses it where it is named", async () => {
  await using scene = createBrowseScene();
  const { backup } = await scene.manager.createBackup();
  const image = backup.files.find(({ role }) => role === "database")?.name ?? "";
  const original = "database/db_backup_20200101_120000.db";
  writeFileSync(join(scene.app.vault, original), readFileSync(join(scene.app.vault, image)));
  const offsite = scene.otherManager("offsite");
  assert.deepEqual(outcomesOf(await scene.manager.copyBackups(offsite)), ["left-out", "copied"]);
  await assert.rejects(
    scene.manager.copyBackups(offsite, { backups: ["db_backup_20200101_120000"] }),
    (error) => isBackupError(error, "unsupported"),
  );
});

test("copyBackups() refuses to copy a vault into itself, and leaves nothing when cancelled", async () => {
  await using scene = createBrowseScene();
  await scene.manager.createBackup();
  await assert.rejects(scene.manager.copyBackups(scene.otherManager("backups")), (error) =>
    isBackupError(error, "invalid-input"),
  );
  const offsite = scene.otherManager("offsite");
  const cancel = new AbortController();
  const observer = {
    progress: ({ phase }: Progress) => (phase === "copy" ? cancel.abort() : undefined),
    warning() {},
    problem() {},
  };
  const copying = scene.manager.copyBackups(offsite, { observer, signal: cancel.signal });
  await assert.rejects(copying, { name: "AbortError" });
  assert.deepEqual(await offsite.listBackups(), []);
  assert.deepEqual(outcomesOf(await scene.manager.copyBackups(offsite)), ["copied"]);
});

test("copyBackups() keeps a suspect backup suspect and an incomplete one incomplete", async () => {
  await using scene = createBrowseScene();
  await scene.manager.createBackup();
  for (const name of ["2024", "deep", "clip.mp4", "same.txt"]) {
    rmSync(join(scene.app.uploads, name), { recursive: true });
  }
  assert.equal((await scene.manager.createBackup()).backup.state, "suspect");
  const offsite = scene.otherManager("offsite");
  await scene.manager.copyBackups(offsite);
  assert.deepEqual(
    (await offsite.listBackups()).map(essence),
    (await scene.manager.listBackups()).map(essence),
  );
});

test("a copy is known by what was backed up and when, not by where vaults lie", () => {
  const backup = sampleBackup();
  const copy = sampleBackup({ id: "ab".repeat(32), copiedFrom: originOf(backup, "/srv/vault") });
  const there = new CopiedAlready([copy]);
  assert.equal(there.find(backup), copy);
  assert.equal(there.find(sampleBackup({ host: "web2" })), undefined);
  assert.equal(there.find(sampleBackup({ source: "blog" })), undefined);
  assert.equal(there.find(sampleBackup({ startedAtMs: 1 })), undefined);
  const damaged = new CopiedAlready([{ ...copy, state: "damaged" }]);
  assert.equal(damaged.find(backup), undefined, "it is copied again");
  assert.equal(damaged.find({ ...backup, state: "damaged" })?.id, copy.id);
  assert.equal(new CopiedAlready([copy, { ...copy, state: "damaged" }]).find(backup), copy);
  const lasting: Backup = { ...copy, state: "damaged", neverRemoved: true };
  assert.equal(new CopiedAlready([lasting]).find(backup), undefined, "it is replaced once");
  assert.equal(new CopiedAlready([lasting, lasting]).find(backup), lasting, "and not without end");
  assert.deepEqual(originOf(copy, "/elsewhere"), { id: backup.id, vault: "/srv/vault" });
});

test("copyBackups() copies again what the target knows to be damaged", async () => {
  await using scene = createBrowseScene();
  const { backup } = await scene.manager.createBackup();
  const offsite = scene.otherManager("offsite");
  await scene.manager.copyBackups(offsite);
  const [copy] = await offsite.listBackups();
  const path = join(
    scene.app.directory,
    "offsite",
    copy?.files.find(({ role }) => role === "archive")?.name ?? "",
  );
  const bytes = readFileSync(path);
  bytes[bytes.length >> 1]! ^= 1;
  writeFileSync(path, bytes);
  assert.equal((await offsite.verifyBackup()).ok, false);
  assert.deepEqual(outcomesOf(await scene.manager.copyBackups(offsite)), ["copied"]);
  const [whole] = (await offsite.listBackups()).filter(({ state }) => state === "good");
  assert.deepEqual(await contentsOf(offsite, whole?.id ?? ""), await contentsOf(scene.manager, backup.id));
  assert.deepEqual(outcomesOf(await scene.manager.copyBackups(offsite)), ["there"]);
});
