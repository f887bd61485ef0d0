/**
 * A backup as data, for tests of what is shown of one.
 *
 * @module
 */

import type { Backup } from "../domain/backup.ts";

/** Local noon, so that what is shown does not depend on the time zone tests run in. */
export const sampleStartedAtMs: number = new Date(2024, 0, 1, 12, 0, 0).getTime();

/** A good full backup with one database and one folder; `changes` replace fields. */
export function sampleBackup(changes: Partial<Backup> = {}): Backup {
  return {
    id: "full_backup_20240101_120000",
    type: "full",
    source: "shop",
    host: "web1",
    startedAt: new Date(sampleStartedAtMs).toISOString(),
    startedAtMs: sampleStartedAtMs,
    durationMs: 1400,
    state: "good",
    stateReason: "",
    safety: false,
    pinned: false,
    tags: [],
    sourceBytes: 70_000_000,
    storedBytes: 66_000_000,
    counts: { databases: 1, files: 312, directories: 14, symlinks: 2, unchangedFiles: 300 },
    databases: [
      {
        name: "app.db",
        path: "/srv/shop/app.db",
        sizeBytes: 12_000_000,
        sha256: "ab".repeat(32),
        pageSizeBytes: 4096,
        journalMode: "wal",
        check: { method: "quick_check", ok: true, messages: [] },
        mode: 0o640,
        uid: 1000,
        gid: 1000,
      },
    ],
    roots: [{ name: "uploads", path: "/srv/shop/uploads" }],
    files: [
      {
        name: "database/db_backup_20240101_120000.db",
        role: "database",
        sizeBytes: 12_000_000,
        sha256: "ab".repeat(32),
      },
      {
        name: "storage/storage_backup_20240101_120000.tar.gz",
        role: "archive",
        sizeBytes: 54_000_000,
        sha256: "cd".repeat(32),
      },
      { name: "full/full_backup_20240101_120000.json", role: "metadata", sizeBytes: 2000 },
    ],
    problems: [],
    problemCount: 0,
    toolVersion: "0.1.0",
    ...changes,
  };
}
