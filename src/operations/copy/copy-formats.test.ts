import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { chmodSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { test } from "node:test";
import "../../testing/kept-captures.ts";
import { createBackupManager } from "../../app/create-backup-manager.ts";
import type { Backup } from "../../domain/backup.ts";
import "../../testing/cheap-scrypt.ts";
import { createBrowseScene } from "../../testing/browse-scene.ts";
import type { BackupManager } from "../backup-manager.ts";

/** The SHA-256 of everything a backup gives back, packed: names, modes, owners, times, links and bytes. */
async function digestOf(manager: BackupManager, backup: string): Promise<string> {
  await using dump = await manager.browse.openDump({ backup, format: "tar" });
  const hash = createHash("sha256");
  for await (const chunk of dump.bytes) hash.update(chunk);
  return hash.digest("hex");
}

/** What every format keeps of a backup. */
function kept(backup: Backup): unknown {
  const { type, source, host, startedAtMs, durationMs, state, stateReason, safety, pinned, tags } = backup;
  const { sourceBytes, roots, problems } = backup;
  const { unchangedFiles: _, ...counts } = backup.counts;
  const databases = backup.databases.map(({ sha256: _sum, ...database }) => database);
  return {
    ...{ type, source, host, startedAtMs, durationMs, state, stateReason, safety, pinned, tags },
    ...{ sourceBytes, roots, problems, counts, databases },
  };
}

test("copyBackups() takes backups from an archive vault through a repository into another without changing a byte", async () => {
  await using scene = createBrowseScene();
  const { app, manager } = scene;
  using planted = new DatabaseSync(join(app.uploads, "found.sqlite"));
  planted.exec("PRAGMA journal_mode = WAL; CREATE TABLE t (x); INSERT INTO t VALUES (zeroblob(100000))");
  const first = (await manager.createBackup({ tags: ["one", "two"] })).backup;
  await manager.pinBackup(first.id);
  rmSync(join(app.uploads, "deep"), { recursive: true });
  await manager.createBackup();
  await manager.backupDatabase();
  await using repository = createBackupManager({
    ...app.configuration,
    vault: join(app.directory, "repository"),
    format: "repository",
    password: "geheim",
  });
  const back = scene.otherManager("back");
  for (const [from, to] of [
    [manager, repository],
    [repository, back],
  ] as const) {
    const { outcomes } = await from.copyBackups(to);
    assert.deepEqual(
      outcomes.map(({ outcome }) => outcome),
      ["copied", "copied", "copied"],
    );
    assert.equal((await to.verifyBackup()).ok, true);
    const [here, there] = [await manager.listBackups(), await to.listBackups()];
    assert.deepEqual(there.map(kept), here.map(kept));
    for (const [index, { id }] of there.entries()) {
      assert.equal(await digestOf(to, id), await digestOf(manager, here[index]!.id), id);
      assert.equal(there[index]!.copiedFrom?.id, here[index]!.id);
    }
    assert.ok((await from.copyBackups(to)).outcomes.every(({ outcome }) => outcome === "there"));
  }
  const differences = repository.browse.compareBackups({ before: "latest", after: "latest" }, back.browse);
  assert.deepEqual(await Array.fromAsync(differences), []);
});

test("a backup into the vault that was copied to reads anew what the copy cannot vouch for", async () => {
  await using scene = createBrowseScene();
  const { app, manager } = scene;
  const victim = join(app.uploads, "victim.bin");
  writeFileSync(victim, "first");
  utimesSync(victim, 1_600_000_000, 1_600_000_000);
  await manager.createBackup();
  await using repository = createBackupManager({
    ...app.configuration,
    vault: join(app.directory, "repository"),
    format: "repository",
    password: "geheim",
  });
  await manager.copyBackups(repository);
  // The same size and time, other bytes: nothing is taken for unchanged because a copy has it.
  writeFileSync(victim, "other");
  utimesSync(victim, 1_600_000_000, 1_600_000_000);
  chmodSync(victim, 0o644);
  await repository.createBackup();
  await using dump = await repository.browse.openDump({ backup: "latest", path: "uploads/victim.bin" });
  assert.equal(
    String(Buffer.concat(await Array.fromAsync(dump.bytes, (chunk) => Buffer.from(chunk)))),
    "other",
  );
});
