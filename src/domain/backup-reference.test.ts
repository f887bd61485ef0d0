import assert from "node:assert/strict";
import { test } from "node:test";
import type { Backup } from "./backup.ts";
import { findBackup, findByFileName, isPathReference } from "./backup-reference.ts";
import { isBackupError } from "./error.ts";

function backup(id: string, changes: Partial<Backup> = {}): Backup {
  const type = id.startsWith("full") ? "full" : id.startsWith("db") ? "database" : "storage";
  return {
    id,
    type,
    source: "shop",
    state: "good",
    safety: false,
    files: [],
    ...changes,
  } as unknown as Backup;
}

const newestFirst = [
  backup("db_backup_20240103_120000", { state: "damaged" }),
  backup("db_backup_20240102_120000-2"),
  backup("db_backup_20240102_120000", { safety: true }),
  backup("full_backup_20240101_020000", {
    files: [{ name: "database/db_backup_20240101_020000.db", role: "database", sizeBytes: 1 }],
  }),
];
const any = { preferTrusted: false };

test("findBackup() takes an id, or the beginning that only one id has", () => {
  assert.equal(findBackup(newestFirst, "db_backup_20240102_120000", any).safety, true);
  assert.equal(findBackup(newestFirst, "full", any).type, "full");
  assert.equal(findBackup(newestFirst, "db_backup_20240103", any), newestFirst[0]);
});

test("findBackup() also knows what restic calls a backup whose snapshot was written anew", () => {
  const anew = backup("ab12", { snapshotId: "cd34" });
  const other = backup("cd99");
  for (const reference of ["ab12", "ab", "cd34", "cd3"])
    assert.equal(findBackup([anew, other], reference, any), anew, reference);
  assert.equal(findBackup([anew, backup("cd34")], "cd34", any).id, "cd34");
  assert.throws(() => findBackup([anew, other], "cd", any), /2 begin with/);
});

test("findBackup() refuses a beginning of several ids, and one of none", () => {
  assert.throws(
    () => findBackup(newestFirst, "db_backup_20240102_12", any),
    (error) => isBackupError(error, "invalid-input") && /db_backup_20240102_120000-2/.test(error.hint ?? ""),
  );
  for (const none of ["", "nope", "db_backup_20240102_120000-23"]) {
    assert.throws(
      () => findBackup(newestFirst, none, any),
      (error) => isBackupError(error, "not-found"),
    );
  }
});

test("findBackup() never takes the id of a backup that is gone for the one that got -2 beside it", () => {
  const left = newestFirst.filter(({ id }) => id !== "db_backup_20240102_120000");
  assert.throws(
    () => findBackup(left, "db_backup_20240102_120000", any),
    (error) => isBackupError(error, "not-found"),
  );
});

test("findBackup() takes the newest of restic's own snapshots as latest where there is nothing else", () => {
  const [foreign, unreadable] = [
    backup("ab".repeat(32), { source: "restic", neverRemoved: true }),
    backup("cd".repeat(32), { source: "", neverRemoved: true, state: "damaged" }),
  ];
  assert.equal(findBackup([unreadable, foreign], "latest", any), foreign);
  assert.equal(findBackup([foreign, ...newestFirst], "latest", any), newestFirst[0]);
  assert.throws(
    () => findBackup([unreadable], "latest", any),
    (error) => isBackupError(error, "not-found"),
  );
});

test("findBackup() takes latest as the newest, or as the newest that can be trusted", () => {
  assert.equal(findBackup(newestFirst, "latest", any), newestFirst[0]);
  assert.equal(findBackup(newestFirst, "latest", { preferTrusted: true }), newestFirst[1]);
  assert.equal(findBackup(newestFirst, "latest", { type: "full", preferTrusted: true }), newestFirst[3]);
  const onlyBad = newestFirst.slice(0, 1);
  assert.equal(findBackup(onlyBad, "latest", { preferTrusted: true }), newestFirst[0]);
});

test("findBackup() wants the source named where the vault holds several", () => {
  const two = [...newestFirst, backup("db_backup_20230101_120000", { source: "blog" })];
  assert.throws(
    () => findBackup(two, "latest", any),
    (error) => isBackupError(error, "invalid-input") && /blog, shop/.test(error.hint ?? ""),
  );
  assert.equal(findBackup(two, "latest", { source: "blog", preferTrusted: false }), two.at(-1));
  assert.throws(
    () => findBackup(two, "latest", { source: "wiki", preferTrusted: false }),
    (error) => isBackupError(error, "not-found") && /of wiki/.test(error.message),
  );
});

test("findBackup() passes over backups that are dated in the future, while latest can be another", () => {
  const nowMs = 1_000_000_000_000;
  const dayMs = 24 * 3_600_000;
  const made = (days: number, state: Backup["state"] = "good"): Backup =>
    backup(`db_${days}`, { startedAtMs: nowMs + days * dayMs, state });
  const all = [made(400), made(2), made(0.9, "damaged"), made(0), made(-1)];
  assert.equal(findBackup(all, "latest", any).id, "db_400", "whoever asks without a clock");
  assert.equal(findBackup(all, "latest", { ...any, nowMs }).id, "db_0.9", "clocks of two machines differ");
  assert.equal(findBackup(all, "latest", { preferTrusted: true, nowMs }).id, "db_0");
  assert.equal(
    findBackup(all.slice(0, 2), "latest", { ...any, nowMs }).id,
    "db_400",
    "where there is no other",
  );
  assert.equal(findBackup(all.slice(0, 3), "latest", { preferTrusted: true, nowMs }).id, "db_400");
  assert.equal(findBackup(all, "db_2", { ...any, nowMs }).id, "db_2", "by its id any");
});

test("findBackup() takes latest of the configured source, among backups of others", () => {
  const two = [backup("db_backup_20240105_120000", { source: "blog" }), ...newestFirst];
  const shop = { configuredSource: "shop", preferTrusted: false };
  assert.equal(findBackup(two, "latest", shop), newestFirst[0]);
  assert.equal(findBackup(two, "latest", { ...shop, source: "blog" }), two[0]);
  assert.equal(findBackup(two, "latest", { ...shop, type: "full" }).type, "full");
  assert.throws(
    () => findBackup(two, "latest", { ...shop, type: "storage" }),
    (error) =>
      isBackupError(error, "not-found") &&
      /latest storage backup of shop/.test(error.message) &&
      /by its id/.test(error.hint ?? ""),
  );
});

test("findBackup() takes another program's snapshots for none of the configured source's, whatever they are called", () => {
  const foreign = backup("full_backup_20250101_120000", { source: "wiki", neverRemoved: true });
  const wiki = { configuredSource: "wiki", preferTrusted: false };
  assert.equal(findBackup([foreign, ...newestFirst], "latest", wiki), newestFirst[0]);
});

test("findBackup() lets a configured source without backups narrow nothing", () => {
  const wiki = { configuredSource: "wiki", preferTrusted: false };
  const safety = backup("full_backup_20240105_120000", { source: "wiki", safety: true });
  assert.equal(findBackup([safety, ...newestFirst], "latest", wiki), newestFirst[0]);
  const two = [...newestFirst, backup("db_backup_20230101_120000", { source: "blog" })];
  assert.throws(
    () => findBackup(two, "latest", wiki),
    (error) => isBackupError(error, "invalid-input") && /--source, one of blog, shop/.test(error.hint ?? ""),
  );
});

test("findByFileName() finds the backup a file of the vault belongs to", () => {
  const found = findByFileName(newestFirst, "database/db_backup_20240101_020000.db");
  assert.equal(found?.backup.type, "full");
  assert.equal(findByFileName(newestFirst, "database/else.db"), undefined);
});

test("isPathReference() tells paths from ids", () => {
  for (const path of ["./x", "backups/database/a.db", "a.db", "a.tar.gz", "a.tar", "a.json"]) {
    assert.equal(isPathReference(path), true, path);
  }
  for (const id of ["latest", "db_backup_20240101_120000", "full_backup_20240101_120000-2"]) {
    assert.equal(isPathReference(id), false, id);
  }
});
