import assert from "node:assert/strict";
import { test } from "node:test";
import { sampleBackup, sampleStartedAtMs } from "../../testing/sample-backup.ts";
import { renderBackupList } from "../commands/list.ts";
import { renderBackup } from "../commands/show.ts";
import { renderStats } from "../commands/stats.ts";
import { renderVerification } from "../commands/verify.ts";
import { renderCreated } from "./created.ts";
import { openByHand } from "./open-by-hand.ts";
import { createPalette } from "./palette.ts";
import { changeLines, planLines, restoredLines } from "./restore.ts";
import { decisionTable, rotationSummary } from "./rotation.ts";
import { formatCheck } from "./state.ts";

const plain = createPalette(false);
const coloured = createPalette(true);
const nowMs = sampleStartedAtMs + 3 * 3_600_000;
const hostile = "a\x1b[31m\nb\u202e";

test("list shows type, time, age, source, size, state and notes of each backup, and the sum", () => {
  const backups = [
    sampleBackup({ pinned: true, tags: ["before-upgrade"], verifiedAt: "2024-01-01T12:00:00Z" }),
    sampleBackup({ id: "db_backup_20231231_120000", type: "database", state: "damaged", safety: true }),
  ];
  assert.deepEqual(renderBackupList(backups, nowMs, undefined, plain), [
    "ID                           TYPE      TIME                 AGE          SOURCE     SIZE  STATE    NOTES",
    "full_backup_20240101_120000  full      2024-01-01 12:00:00  3 hours ago  shop    66.0 MB  good     pinned verified #before-upgrade",
    "db_backup_20231231_120000    database  2024-01-01 12:00:00  3 hours ago  shop    66.0 MB  damaged  safety",
    "2 backups, 132.0 MB",
  ]);
});

test("list fits a terminal of 60 columns and still shows id, age, size and state", () => {
  const lines = renderBackupList([sampleBackup()], nowMs, 60, plain);
  for (const line of lines) assert.ok(line.length <= 60, line);
  assert.match(lines[1]!, /^full_backup_20240101_120000 .*3 hours ago .*66\.0 MB {2}good$/);
});

test("states are green when good, red when damaged and yellow in between", () => {
  const line = (state: "good" | "suspect" | "damaged"): string =>
    renderBackupList([sampleBackup({ state })], nowMs, undefined, coloured)[1]!;
  assert.ok(line("good").includes("\x1b[32mgood\x1b[39m"));
  assert.ok(line("suspect").includes("\x1b[33msuspect\x1b[39m"));
  assert.ok(line("damaged").includes("\x1b[31mdamaged\x1b[39m"));
});

test("show names files, databases with their checks, problems, and how to open the backup by hand", () => {
  const backup = sampleBackup({
    state: "incomplete",
    stateReason: "1 file could not be read",
    problems: [{ kind: "unreadable", path: "uploads/x", message: "permission denied" }],
    problemCount: 3,
  });
  assert.deepEqual(renderBackup(backup, "/srv/my backups", nowMs, plain), [
    "full_backup_20240101_120000 (full)",
    "  state      incomplete: 1 file could not be read",
    "  source     shop on web1",
    "  time       2024-01-01 12:00:00 (3 hours ago)",
    "  took       1.4 s",
    "  size       66.0 MB stored, 70.0 MB protected",
    "  verified   never",
    "  databases  app.db from /srv/shop/app.db, 12.0 MB, journal mode wal, quick_check ok",
    "  folders    uploads from /srv/shop/uploads",
    "  entries    312 files, 14 directories, 2 links, 300 unchanged since the backup before",
    "  files      database/db_backup_20240101_120000.db, 12.0 MB",
    "             storage/storage_backup_20240101_120000.tar.gz, 54.0 MB",
    "             full/full_backup_20240101_120000.json, 2.0 KB",
    "  made by    vertex-backup 0.1.0",
    "",
    "Problems",
    "  unreadable: uploads/x: permission denied",
    "  and 2 more problems",
    "",
    "Open it by hand",
    ...openByHand(backup, "/srv/my backups").map((line) => `  ${line}`),
  ]);
});

test("openByHand() gives commands with quoted paths, checksums first", () => {
  const commands = openByHand(sampleBackup(), "/srv/my backups");
  const database = "'/srv/my backups/database/db_backup_20240101_120000.db'";
  const archive = "'/srv/my backups/storage/storage_backup_20240101_120000.tar.gz'";
  assert.deepEqual(commands, [
    `echo ${"ab".repeat(32)}  ${database} | sha256sum -c`,
    `echo ${"cd".repeat(32)}  ${archive} | sha256sum -c`,
    `sqlite3 -readonly ${database} .tables`,
    `tar tzf ${archive}`,
  ]);
});

test("openByHand() names to restic the snapshot that it knows, also of a backup that was written anew", () => {
  const [id, snapshotId] = ["ab".repeat(32), "cd".repeat(32)];
  const inRepository = sampleBackup({ id, files: [] });
  assert.deepEqual(openByHand(inRepository, "/srv/r"), [
    `restic -r /srv/r ls ${id}`,
    `restic -r /srv/r restore ${id} --target restored`,
  ]);
  const commands = openByHand({ ...inRepository, snapshotId }, "/srv/r");
  assert.ok(commands.every((command) => command.includes(snapshotId) && !command.includes(id)));
});

test("create says what was made, what rotation did and what is wrong", () => {
  const backup = sampleBackup({ problemCount: 1 });
  const problem = {
    kind: "vanished",
    path: "uploads/gone.jpg",
    message: "it was deleted meanwhile",
  } as const;
  const rotation = {
    decisions: [{ backup, keep: true, reasons: ["last"] }],
    removed: ["full_backup_20230101_120000"],
    freedBytes: 1_200_000_000,
    awaitsPrune: false,
    dryRun: false,
    held: [],
  };
  const result = { backup, problems: [problem], rotation, warnings: ["the clock is behind"] };
  assert.deepEqual(renderCreated(result, "/srv/backups", false, plain), [
    "full_backup_20240101_120000 (full) of shop",
    "  state      good",
    "  databases  app.db, 12.0 MB, quick_check ok",
    "  files      312 files in 14 directories, 300 unchanged",
    "  stored     66.0 MB in /srv/backups",
    "  took       1.4 s",
    "  rotation   1 backup removed, 1.2 GB freed; 1 stay",
    "  warnings   the clock is behind",
    "  problems   vanished: uploads/gone.jpg: it was deleted meanwhile",
  ]);
  const verbose = renderCreated(result, "/srv/backups", true, plain);
  assert.equal(verbose.at(-1), "  problems   1, printed above");
});

test("rotate --dry-run gives every backup with the reason it stays or goes", () => {
  const decisions = [
    { backup: sampleBackup(), keep: true, reasons: ["last", "daily"] },
    { backup: sampleBackup({ id: "full_backup_20230101_120000" }), keep: false, reasons: [] },
  ];
  const result = {
    decisions,
    removed: ["full_backup_20230101_120000"],
    freedBytes: 5,
    awaitsPrune: false,
    dryRun: true,
    held: ["shop, full: held"],
  };
  assert.deepEqual(decisionTable(result, nowMs, undefined, plain), [
    "ID                           SOURCE  TIME                 AGE             SIZE  DECISION  REASONS",
    "full_backup_20240101_120000  shop    2024-01-01 12:00:00  3 hours ago  66.0 MB  stays     last, daily",
    "full_backup_20230101_120000  shop    2024-01-01 12:00:00  3 hours ago  66.0 MB  would go  no rule keeps it",
  ]);
  assert.deepEqual(rotationSummary(result, plain), [
    "1 backup would be removed, 5 B freed; 1 stay",
    "shop, full: held",
  ]);
});

const plan = {
  backup: sampleBackup(),
  targets: [
    { kind: "database", name: "app.db", path: "/srv/shop/app.db", exists: true },
    { kind: "folder", name: "uploads", path: "/srv/shop/uploads", exists: false },
  ],
  added: 1,
  changed: 2,
  unchanged: 300,
  removed: 1,
  newer: 1,
  bytesToWrite: 1_500_000,
  safetyBackup: true,
  changes: [
    { path: "app.db", change: "change", newer: true },
    { path: hostile, change: "remove", newer: false },
  ],
  warnings: ["somebody has it open"],
} as const;

test("a restore plan shows targets, figures, newer files, the safety backup and warnings", () => {
  assert.deepEqual(planLines(plan, { vault: "/srv/backups" }, nowMs, plain), [
    "Restore full_backup_20240101_120000 (full) of shop",
    "  from 2024-01-01 12:00:00 (3 hours ago), good",
    "  replaces  database  app.db   /srv/shop/app.db",
    "  makes     folder    uploads  /srv/shop/uploads",
    "  1 file added, 2 changed, 1 removed, 300 unchanged; 1.5 MB to write",
    "  1 file of the changed and removed: newer than the backup",
    "  first a safety backup (database) of app.db is taken into /srv/backups",
    "  warning: somebody has it open",
  ]);
  assert.deepEqual(changeLines(plan, plain), [
    "  change  app.db  (newer than the backup)",
    "  remove  a\\x1b[31m\\x0ab\\u{202e}",
    "  and 2 more",
  ]);
});

test("a finished restore says how to take it back", () => {
  const lines = restoredLines(
    {
      backup: plan.backup,
      restoreId: "r1",
      targets: plan.targets,
      filesWritten: 3,
      bytesWritten: 1500,
      safetyBackupId: "db_backup_20240101_150000",
      previousState: ["/srv/shop/.app.db.previous"],
      warnings: [],
      damaged: [],
      damagedCount: 0,
    },
    { color: true, vault: "/mnt/my disk", config: "shop.yaml", database: ["a.db", "-b.db"] },
    plain,
  );
  assert.deepEqual(lines, [
    "Restored full_backup_20240101_120000: 3 files, 1.5 KB written and verified",
    "  /srv/shop/app.db",
    "  /srv/shop/uploads",
    "Safety backup: db_backup_20240101_150000",
    "What was there before is kept:",
    "  /srv/shop/.app.db.previous",
    "Bring it back with: vertex-backup restore --undo --config shop.yaml --vault '/mnt/my disk' --database a.db --database=-b.db",
    "Delete it with: vertex-backup restore --discard --config shop.yaml --vault '/mnt/my disk' --database a.db --database=-b.db",
  ]);
});

test("a finished restore of a file without checksums does not claim to be verified", () => {
  const backup = sampleBackup({ state: "unverified" });
  const result = { backup, restoreId: "r1", targets: [], filesWritten: 1, bytesWritten: 10 };
  const rest = { previousState: [], warnings: [], damaged: [], damagedCount: 0 };
  const [line = ""] = restoredLines({ ...result, ...rest }, { color: true }, plain);
  assert.match(line, /: 1 file, 10 B written; nothing to verify them against$/);
});

test("a finished restore of a damaged backup names what it left out, and how much more there is", () => {
  const result = { backup: plan.backup, restoreId: "r1", targets: [], filesWritten: 1, bytesWritten: 10 };
  const damaged = [
    { object: "storage/a.tar.gz", path: "uploads/a\u001b.jpg", message: "its bytes\nare lost" },
  ];
  const rest = { previousState: [], warnings: [], damaged, damagedCount: 1_002 };
  const lines = restoredLines({ ...result, ...rest }, { color: true }, plain);
  assert.deepEqual(lines.slice(1), [
    "Damaged and left out: 1,002",
    "  uploads/a\\x1b.jpg: its bytes\\x0aare lost",
    "  and 1,001 more",
  ]);
});

test("show says nothing of source, duration and maker where they are not known", () => {
  const [database] = sampleBackup().databases;
  const unread = {
    path: "",
    journalMode: "unknown",
    check: { method: "not-run", ok: true, messages: [] },
  } as const;
  const foreign = sampleBackup({
    ...{ source: "", host: "", durationMs: 0, toolVersion: "", state: "unverified" },
    databases: [{ ...database!, ...unread }],
  });
  const lines = renderBackup(foreign, "/srv/backups", nowMs, plain);
  assert.deepEqual(
    lines.filter((line) => /^ {2}(source|took|made by)/.test(line)),
    [],
  );
  assert.ok(lines.some((line) => line.startsWith("  time ")));
  assert.ok(
    lines.some((line) => /^ {2}databases +app\.db, [0-9.]+ [KM]?B, not checked$/.test(line)),
    lines.join("\n"),
  );
});

test("verify names each damage and says so in one last line", () => {
  const report = {
    id: "full_backup_20240101_120000",
    bytesRead: 1000,
    entriesChecked: 2,
    databasesChecked: 1,
  };
  const good = { ...report, ok: true, unverified: false, damages: [] };
  const damages = [{ object: "storage/x.tar.gz", path: "uploads/a.jpg", message: "bytes differ" }];
  const bad = { ...report, ok: false, unverified: false, damages };
  assert.deepEqual(renderVerification({ ok: false, reports: [good, bad] }, plain), [
    "full_backup_20240101_120000: ok (1.0 KB, 2 entries, 1 database read)",
    "full_backup_20240101_120000: damaged (1.0 KB, 2 entries, 1 database read)",
    "  storage/x.tar.gz: uploads/a.jpg: bytes differ",
    "1 of 2 backups damaged",
  ]);
});

test("verify says of a repository how much of it was looked at", () => {
  const extent = (packsTotal: number, packsRead: number, isDamaged: boolean): string => {
    const damages = isDamaged ? [{ object: "index/1", message: "it is missing" }] : [];
    const repository = { damages, notes: [], packsTotal, packsRead, bytesRead: packsRead * 1000 };
    const lines = renderVerification({ ok: !isDamaged, reports: [], repository }, plain);
    return lines[0] ?? "";
  };
  assert.equal(extent(2, 2, true), "Structure of 2 packs checked, 2 read in full, 2.0 KB");
  assert.equal(extent(2, 0, false), "Structure of 2 packs checked; --read-data also reads what is in them");
  assert.equal(extent(2, 0, true), "Structure of 2 packs checked, none read in full");
  assert.equal(extent(0, 0, false), "Nothing is stored yet");
  assert.equal(extent(0, 0, true), "No pack is there");
});

test("stats is a table of types with totals below", () => {
  const at = new Date(sampleStartedAtMs).toISOString();
  const lines = renderStats(
    {
      vault: "/srv/backups",
      total: 3,
      storedBytes: 3000,
      byType: [
        { type: "full", count: 3, storedBytes: 3000, lastAt: at, oldestAt: at },
        { type: "database", count: 0, storedBytes: 0 },
      ],
      lastAt: at,
      oldestAt: at,
      succeeded: 3,
      failed: 1,
      safetyCount: 0,
      freeBytes: 5e9,
    },
    nowMs,
    undefined,
    plain,
  );
  assert.deepEqual(lines, [
    "TYPE      COUNT    SIZE  LAST                               OLDEST",
    "full          3  3.0 KB  2024-01-01 12:00:00 (3 hours ago)  2024-01-01 12:00:00 (3 hours ago)",
    "database      0     0 B  never                              never",
    "",
    "  vault    /srv/backups",
    "  backups  3, 3.0 KB",
    "  last     2024-01-01 12:00:00 (3 hours ago)",
    "  oldest   2024-01-01 12:00:00 (3 hours ago)",
    "  runs     3 succeeded, 1 failed",
    "  free     5.0 GB",
  ]);
});

test("a check says what it found, also where it could not run", () => {
  assert.equal(formatCheck({ method: "quick_check", ok: true, messages: [] }), "quick_check ok");
  assert.equal(formatCheck({ method: "quick_check", ok: false, messages: ["a", "b"] }), "quick_check: a; b");
  assert.equal(formatCheck({ method: "not-run", ok: false, messages: ["no"] }), "not checked: no");
});

test("nothing a stranger named is printed raw, wherever it is shown", () => {
  const problem = { kind: "unreadable", path: hostile, message: hostile } as const;
  const backup = sampleBackup({
    id: hostile,
    source: hostile,
    host: hostile,
    stateReason: hostile,
    tags: [hostile],
    roots: [{ name: hostile, path: hostile }],
    databases: [{ ...sampleBackup().databases[0]!, name: hostile, path: hostile, journalMode: hostile }],
    files: [{ name: hostile, role: "archive", sizeBytes: 1 }],
    problems: [problem],
    problemCount: 1,
    toolVersion: hostile,
  });
  const everything = [
    ...renderBackupList([backup], nowMs, undefined, plain),
    ...renderBackup(backup, hostile, nowMs, plain),
    ...renderCreated({ backup, problems: [problem], warnings: [hostile] }, hostile, false, plain),
    ...planLines({ ...plan, backup, warnings: [hostile] }, { vault: hostile }, nowMs, plain),
  ];
  for (const line of everything) assert.doesNotMatch(line, /[\p{Cc}\p{Cf}]/u);
});
