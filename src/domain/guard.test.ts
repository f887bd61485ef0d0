import assert from "node:assert/strict";
import { test } from "node:test";
import type { BackupCounts, BackupDatabase } from "./backup.ts";
import { lastTrusted, otherHostWarning, type SourceFacts, suspectReason } from "./guard.ts";

const counts = (files: number): BackupCounts => ({
  databases: 1,
  files,
  directories: 1,
  symlinks: 0,
  unchangedFiles: 0,
});
const unremarkable: SourceFacts = {
  missing: [],
  empty: [],
  databases: [{ name: "app.db", sizeBytes: 800 }],
  paths: ["/srv/app.db", "/srv/uploads"],
};
const database = { name: "app.db", path: "/srv/app.db", sizeBytes: 1000 } as BackupDatabase;
const roots = [{ name: "uploads", path: "/srv/uploads" }];
const last = {
  id: "full_backup_20240101_120000",
  counts: counts(10),
  sourceBytes: 5000,
  databases: [database],
  roots,
};

test("suspectReason() finds nothing in a source that stayed about the same", () => {
  assert.equal(suspectReason(unremarkable, { counts: counts(5), sourceBytes: 2500 }, last), "");
  assert.equal(suspectReason(unremarkable, { counts: counts(5), sourceBytes: 2500 }, undefined), "");
});

test("suspectReason() names what is missing or empty, in a first backup too", () => {
  const totals = { counts: counts(10), sourceBytes: 5000 };
  const missing = {
    ...unremarkable,
    missing: ["folder /srv/uploads is missing", "database app.db is missing"],
  };
  assert.equal(suspectReason(missing, totals, undefined), "folder /srv/uploads is missing, and 1 more");
  const empty = { ...unremarkable, empty: ["folder /srv/uploads"] };
  assert.equal(suspectReason(empty, totals, undefined), "folder /srv/uploads is empty");
});

test("suspectReason() names the first figure that fell to under half", () => {
  const few = suspectReason(unremarkable, { counts: counts(4), sourceBytes: 5000 }, last);
  assert.equal(few, "the number of files fell from 10 to 4");
  const small = suspectReason(unremarkable, { counts: counts(10), sourceBytes: 2499 }, last);
  assert.equal(small, "the source shrank from 5000 to 2499 bytes");
  // A wiped database must not hide behind large files.
  const wiped = { ...unremarkable, databases: [{ name: "app.db", sizeBytes: 499 }] };
  const reason = suspectReason(wiped, { counts: counts(10), sourceBytes: 5000 }, last);
  assert.equal(reason, "database app.db shrank from 1000 to 499 bytes");
});

test("suspectReason() doubts a backup that has nothing in common with the last one but its name", () => {
  const totals = { counts: counts(10), sourceBytes: 5000 };
  const other = { ...unremarkable, databases: [], paths: ["/srv/other.db", "/srv/files"] };
  assert.match(suspectReason(other, totals, last), /^it holds none of the databases and folders of full_/);
  // Something was added and something taken away: the same app.
  assert.equal(suspectReason({ ...other, paths: ["/srv/uploads", "/srv/new"] }, totals, last), "");
  // Metadata of others may say nothing of where it was.
  assert.equal(suspectReason(other, totals, { ...last, databases: [], roots: [] }), "");
});

test("lastTrusted() passes over suspect, damaged, safety and other backups", () => {
  const base = { source: "shop", type: "full", state: "good", safety: false, startedAtMs: 1 } as const;
  const wanted = { ...base, state: "incomplete", startedAtMs: 3 } as const;
  const backups = [
    { ...base, state: "suspect", startedAtMs: 9 } as const,
    { ...base, state: "damaged", startedAtMs: 8 } as const,
    { ...base, safety: true, startedAtMs: 7 },
    { ...base, type: "database", startedAtMs: 6 } as const,
    { ...base, source: "blog", startedAtMs: 5 },
    { ...base, neverRemoved: true, startedAtMs: 10 },
    base,
    wanted,
  ];
  assert.equal(lastTrusted(backups, "shop", "full"), wanted);
  assert.equal(lastTrusted(backups, "shop", "storage"), undefined);
});

test("otherHostWarning() names both hosts where the same paths were last backed up on another one", () => {
  const { paths } = unremarkable;
  const from = (host: string): Parameters<typeof otherHostWarning>[2] => ({ ...last, host });
  const run = { host: "beta", source: "shop" };
  assert.match(
    otherHostWarning(paths, run, from("alpha")),
    /^The last backup of shop, full_\S+, was made on alpha, and this one on beta\. /,
  );
  assert.equal(otherHostWarning(paths, run, from("beta")), "");
  assert.equal(otherHostWarning(paths, run, undefined), "", "the first backup");
  assert.equal(otherHostWarning(paths, run, from("")), "", "made by the Python original");
  assert.equal(otherHostWarning(["/elsewhere"], run, from("alpha")), "", "another app, which is suspect");
  const containers = otherHostWarning(paths, { ...run, host: "0123456789ab" }, from("ba9876543210"));
  assert.equal(containers, "", "a container has another name each time");
});
