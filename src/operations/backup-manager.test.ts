import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { test } from "node:test";
import "../testing/kept-captures.ts";
import { createBackupManager } from "../app/create-backup-manager.ts";
import type { Backup } from "../domain/backup.ts";
import type { Clock } from "../domain/clock.ts";
import { isBackupError } from "../domain/error.ts";
import { createLiveApp, type LiveApp, sumOfBalances, totalBalance } from "../testing/live-app.ts";
import { tarNames } from "../testing/tar-names.ts";

// The nine that the original's authors named, each with real files and a real database.

const hourMs = 3_600_000;

/** A clock that is set by hand and whose durations are real. */
function settableClock(startMs: number): Clock & { set(epochMs: number): void } {
  let epochMs = startMs;
  return {
    now: () => epochMs,
    elapsed: () => performance.now(),
    set(to) {
      epochMs = to;
    },
  };
}

/** Every stored file of a backup has the size and SHA-256 that its metadata says. */
function assertChecksums(app: LiveApp, backup: Backup): void {
  const summed = backup.files.filter((file) => file.sha256 !== undefined);
  assert.ok(summed.length > 0);
  for (const { name, sizeBytes, sha256 } of summed) {
    const bytes = readFileSync(join(app.vault, name));
    assert.equal(bytes.byteLength, sizeBytes, name);
    assert.equal(createHash("sha256").update(bytes).digest("hex"), sha256, name);
  }
}

function fileOf(app: LiveApp, backup: Backup, role: string): string {
  const file = backup.files.find((candidate) => candidate.role === role);
  assert.ok(file, `${backup.id} has a file with the role ${role}`);
  return join(app.vault, file.name);
}

function changeDatabase(app: LiveApp, sql: string): void {
  using database = new DatabaseSync(app.database);
  database.exec(sql);
}

function pragma(app: LiveApp, name: string): unknown {
  using database = new DatabaseSync(app.database);
  return Object.values(database.prepare(`PRAGMA ${name}`).get() ?? {})[0];
}

/** Every file below a folder, with its content. */
function filesIn(directory: string): Record<string, string> {
  const entries = readdirSync(directory, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  return Object.fromEntries(files.toSorted().map((file) => [file, readFileSync(file, "utf8")]));
}

test("manager creation: it makes nothing until the first backup, which makes a private vault", async () => {
  await using app = createLiveApp();
  await using manager = createBackupManager(app.configuration);
  assert.equal(existsSync(app.vault), false);
  await assert.rejects(manager.listBackups(), (error) => isBackupError(error, "not-found"));
  await assert.rejects(manager.createBackup({ source: "blog" }), (error) =>
    isBackupError(error, "invalid-input"),
  );
  assert.equal(existsSync(app.vault), false);
  await manager.backupDatabase();
  assert.equal(statSync(app.vault).mode & 0o777, 0o700);
  assert.throws(
    () => createBackupManager({ ...app.configuration, retention: { last: 0 } }),
    (error) => isBackupError(error, "invalid-input"),
  );
});

test("database backup: a consistent image of a database that is being written to", async () => {
  await using app = createLiveApp();
  await app.startWriter();
  await using manager = createBackupManager(app.configuration);
  const { backup, problems } = await manager.backupDatabase();
  assert.deepEqual([backup.type, backup.state, backup.source, problems], ["database", "good", "shop", []]);
  assert.match(backup.id, /^db_backup_\d{8}_\d{6}$/);
  assertChecksums(app, backup);
  const image = fileOf(app, backup, "database");
  assert.equal(image, join(app.vault, "database", `${backup.id}.db`));
  assert.equal(statSync(image).mode & 0o777, 0o600);
  assert.deepEqual([...readFileSync(image).subarray(18, 20)], [1, 1]);
  assert.equal(sumOfBalances(image), totalBalance);
  const [database] = backup.databases;
  assert.equal(database?.journalMode, "wal");
  assert.deepEqual(database?.check, { method: "quick_check", ok: true, messages: [] });
  const metadata = JSON.parse(readFileSync(join(app.vault, "database", `${backup.id}.json`), "utf8"));
  assert.equal(metadata.databases[0].sha256, database?.sha256);
});

test("storage backup: a tar.gz of the folder, in which unchanged files are not read again", async () => {
  await using app = createLiveApp();
  await using manager = createBackupManager(app.configuration);
  const first = (await manager.backupStorage()).backup;
  assert.equal(first.state, "good");
  assert.match(first.id, /^storage_backup_\d{8}_\d{6}$/);
  assertChecksums(app, first);
  const names = [0, 1, 2, 3, 4].map((n) => `uploads/2024/${n}.txt`);
  assert.deepEqual(tarNames(fileOf(app, first, "archive")), names);
  assert.deepEqual([first.counts.files, first.counts.unchangedFiles], [5, 0]);
  const second = (await manager.backupStorage()).backup;
  assert.deepEqual([second.counts.files, second.counts.unchangedFiles], [5, 5]);
  writeFileSync(join(app.uploads, "more.txt"), "more");
  const third = (await manager.backupStorage()).backup;
  assertChecksums(app, third);
  assert.deepEqual(tarNames(fileOf(app, third, "archive")), [...names, "uploads/more.txt"]);
});

test("full backup: database and storage as one, with every file that a row names", async () => {
  await using app = createLiveApp();
  await app.startWriter();
  await using manager = createBackupManager(app.configuration);
  const { backup } = await manager.createFullBackup();
  assert.deepEqual([backup.type, backup.state], ["full", "good"]);
  assertChecksums(app, backup);
  assert.deepEqual(
    (await manager.listBackups()).map((listed) => listed.id),
    [backup.id],
  );
  const image = fileOf(app, backup, "database");
  assert.equal(sumOfBalances(image), totalBalance);
  using database = new DatabaseSync(image, { readOnly: true });
  const stored = new Set(tarNames(fileOf(app, backup, "archive")));
  for (const row of database.prepare("SELECT file FROM images").all()) {
    assert.ok(stored.has(`uploads/${row["file"]}`), `${row["file"]} is in the archive (J2)`);
  }
  const metadata = JSON.parse(readFileSync(join(app.vault, "full", `${backup.id}.json`), "utf8"));
  assert.equal(metadata.parts.length, 2);
});

test("rotation: the newest of each type stay, with the parts of full backups and nothing left behind", async () => {
  await using app = createLiveApp({ retention: { last: 2 } });
  const clock = settableClock(new Date(2024, 0, 1, 12).getTime());
  await using manager = createBackupManager(app.configuration, { clock });
  const ids: string[] = [];
  for (let run = 0; run < 4; run++) {
    clock.set(clock.now() + hourMs);
    ids.push((await manager.createFullBackup()).backup.id);
    await manager.backupDatabase({ rotate: false });
  }
  const planned = await manager.rotateBackups({ dryRun: true });
  assert.equal(planned.removed.length, 2);
  assert.equal((await manager.listBackups()).length, 6);
  const { decisions, removed } = await manager.rotateBackups();
  assert.deepEqual(removed, planned.removed);
  assert.deepEqual(decisions.find(({ backup }) => backup.id === ids[3])?.reasons, ["last", "newest good"]);
  const left = await manager.listBackups();
  assert.deepEqual(
    left.filter((backup) => backup.type === "full").map((backup) => backup.id),
    [ids[3], ids[2]],
  );
  assert.equal(left.length, 4);
  // Two full and two database backups: four images and as many documents, two archives with contents and document.
  assert.equal(readdirSync(join(app.vault, "database")).length, 8);
  assert.equal(readdirSync(join(app.vault, "storage")).length, 6);
  assert.equal(readdirSync(join(app.vault, "full")).length, 2);
});

test("rotation: safety backups stay until somebody asks for their end, and then but for what an undo may need (I4)", async () => {
  await using app = createLiveApp({ retention: { last: 9 } });
  const clock = settableClock(new Date(2024, 0, 1, 12).getTime());
  await using manager = createBackupManager(app.configuration, { clock });
  const { backup } = await manager.backupDatabase();
  const safety: (string | undefined)[] = [];
  for (let run = 0; run < 3; run++) {
    clock.set(clock.now() + hourMs);
    safety.push((await manager.restoreDatabase({ backup: backup.id })).safetyBackupId);
  }
  clock.set(clock.now() + 48 * hourMs);
  assert.deepEqual((await manager.rotateBackups()).removed, []);
  await assert.rejects(manager.rotateBackups({ safetyOlderThan: "yesterday" }), (error) =>
    isBackupError(error, "invalid-input"),
  );
  assert.deepEqual((await manager.rotateBackups({ safetyOlderThan: "3d" })).removed, []);
  assert.deepEqual((await manager.rotateBackups({ safetyOlderThan: "1d", type: "full" })).removed, []);
  const request = { safetyOlderThan: "1d", dryRun: true };
  const { decisions, removed } = await manager.rotateBackups(request);
  assert.deepEqual(removed.toSorted(), safety.slice(0, 2));
  const last = decisions.find((decision) => decision.backup.id === safety[2]);
  assert.deepEqual(last?.reasons, ["undo may need it"]);
  assert.deepEqual((await manager.rotateBackups({ ...request, dryRun: false })).removed, removed);
  assert.deepEqual(
    (await manager.listBackups()).map(({ id }) => id),
    [safety[2], backup.id],
  );
  await manager.discardPreviousState();
  assert.deepEqual((await manager.rotateBackups({ safetyOlderThan: "1d" })).removed, [safety[2]]);
});

test("database restore: the database as it was, a safety backup of what was there, and the way back", async () => {
  await using app = createLiveApp();
  await app.startWriter();
  await using manager = createBackupManager(app.configuration);
  const { backup } = await manager.backupDatabase();
  await app.stopWriter();
  changeDatabase(app, "DELETE FROM accounts; PRAGMA user_version = 7");
  const result = await manager.restoreDatabase({ backup: backup.id });
  assert.equal(sumOfBalances(app.database), totalBalance);
  assert.equal(pragma(app, "journal_mode"), "wal");
  assert.deepEqual(
    result.targets.map(({ path }) => path),
    [app.database],
  );
  const safety = await manager.getBackup(result.safetyBackupId ?? "");
  assert.deepEqual([safety.safety, safety.state], [true, "good"]);
  await manager.undoRestore();
  assert.equal(pragma(app, "user_version"), 7);
});

test("database restore: a backup whose bytes changed is refused before anything is touched", async () => {
  await using app = createLiveApp();
  await using manager = createBackupManager(app.configuration);
  const { backup } = await manager.backupDatabase();
  const image = fileOf(app, backup, "database");
  const bytes = readFileSync(image);
  bytes[5000] = (bytes[5000] ?? 0) ^ 1;
  writeFileSync(image, bytes);
  changeDatabase(app, "PRAGMA user_version = 7");
  await assert.rejects(manager.restoreDatabase({ backup: backup.id }), (error) =>
    isBackupError(error, "damaged"),
  );
  assert.equal(pragma(app, "user_version"), 7);
});

test("storage restore: the folder as it was, a safety backup of what was there, and the way back", async () => {
  await using app = createLiveApp();
  await using manager = createBackupManager(app.configuration);
  const before = filesIn(app.uploads);
  const { backup } = await manager.backupStorage();
  rmSync(join(app.uploads, "2024", "1.txt"));
  writeFileSync(join(app.uploads, "2024", "2.txt"), "changed");
  writeFileSync(join(app.uploads, "new.txt"), "new");
  const after = filesIn(app.uploads);
  const plan = await manager.planRestore({ backup: backup.id });
  assert.deepEqual([plan.added, plan.changed, plan.removed], [1, 1, 1]);
  assert.deepEqual(filesIn(app.uploads), after);
  const result = await manager.restoreStorage({ backup: backup.id });
  assert.deepEqual(filesIn(app.uploads), before);
  assert.equal((await manager.getBackup(result.safetyBackupId ?? "")).counts.files, 5);
  await manager.undoRestore();
  assert.deepEqual(filesIn(app.uploads), after);
});

test("stats: count, size and times per type, and the runs that failed", async () => {
  await using app = createLiveApp();
  const clock = settableClock(new Date(2024, 0, 1, 12).getTime());
  await using manager = createBackupManager(app.configuration, { clock });
  const first = (await manager.backupDatabase()).backup;
  clock.set(clock.now() + hourMs);
  const second = (await manager.createFullBackup()).backup;
  rmSync(app.uploads, { recursive: true });
  await assert.rejects(manager.backupStorage(), (error) => isBackupError(error, "source-unavailable"));
  const stats = await manager.getBackupStats();
  assert.deepEqual([stats.total, stats.succeeded, stats.failed, stats.safetyCount], [2, 2, 1, 0]);
  assert.equal(stats.storedBytes, first.storedBytes + second.storedBytes);
  assert.deepEqual([stats.oldestAt, stats.lastAt], [first.startedAt, second.startedAt]);
  const ofType = (type: string): unknown => stats.byType.find((entry) => entry.type === type);
  assert.deepEqual(ofType("database"), {
    type: "database",
    count: 1,
    storedBytes: first.storedBytes,
    lastAt: first.startedAt,
    oldestAt: first.startedAt,
  });
  assert.deepEqual(ofType("storage"), { type: "storage", count: 0, storedBytes: 0 });
});

test("list: newest first, by type, tag, source and time", async () => {
  await using app = createLiveApp();
  const start = new Date(2024, 0, 1, 12).getTime();
  const clock = settableClock(start);
  await using manager = createBackupManager(app.configuration, { clock });
  const ids: string[] = [];
  for (const tags of [[], ["release"], []]) {
    ids.unshift((await manager.backupDatabase({ tags })).backup.id);
    clock.set(clock.now() + hourMs);
  }
  const full = (await manager.createFullBackup({ tags: ["release"] })).backup.id;
  const list = async (request: Parameters<typeof manager.listBackups>[0]): Promise<string[]> =>
    (await manager.listBackups(request)).map((backup) => backup.id);
  assert.deepEqual(await list({}), [full, ...ids]);
  assert.deepEqual(await list({ type: "database" }), ids);
  assert.deepEqual(await list({ tag: "release" }), [full, ids[1]]);
  assert.deepEqual(await list({ tag: "release", type: "database" }), [ids[1]]);
  assert.deepEqual(await list({ sinceMs: start + hourMs, untilMs: start + 2 * hourMs }), [ids[0], ids[1]]);
  assert.deepEqual(await list({ source: "blog" }), []);
});
