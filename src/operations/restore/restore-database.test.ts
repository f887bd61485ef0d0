import assert from "node:assert/strict";
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { test } from "node:test";
import "../../testing/kept-captures.ts";
import { createBackupManager } from "../../app/create-backup-manager.ts";
import { isAbort, isBackupError } from "../../domain/error.ts";
import { silentObserver } from "../../domain/progress.ts";
import { isRestoreLeftover } from "../../source/swap/staging-names.ts";
import { createLiveApp, type LiveApp, sumOfBalances, totalBalance } from "../../testing/live-app.ts";

/** Changes the database as an app would that was killed: the change is in the -wal only. */
function spoil(path: string): void {
  const database = new DatabaseSync(path);
  database.exec("PRAGMA wal_autocheckpoint = 0; UPDATE accounts SET balance = 0");
  const [main, wal] = [readFileSync(path), readFileSync(`${path}-wal`)];
  database.close();
  writeFileSync(path, main);
  writeFileSync(`${path}-wal`, wal);
}

/** The sum in a copy, so that looking changes nothing. */
function sumIn(app: LiveApp, path: string): number {
  const directory = join(app.directory, "look");
  mkdirSync(directory);
  try {
    for (const suffix of ["", "-wal"]) {
      if (existsSync(path + suffix))
        writeFileSync(join(directory, `copy${suffix}`), readFileSync(path + suffix));
    }
    new DatabaseSync(join(directory, "copy")).close();
    return sumOfBalances(join(directory, "copy"));
  } finally {
    rmSync(directory, { recursive: true });
  }
}

function leftovers(directory: string): readonly string[] {
  const names = readdirSync(directory, { recursive: true, encoding: "utf8" });
  return names.filter((path) => isRestoreLeftover(path.split("/").at(-1) ?? ""));
}

function journals(app: LiveApp): readonly string[] {
  const directory = join(app.directory, "state", "restores");
  return existsSync(directory) ? readdirSync(directory).filter((name) => name.endsWith(".json")) : [];
}

test("database restore: brings the content back, without the -wal of the old one, after a safety backup", async () => {
  await using app = createLiveApp();
  await using manager = createBackupManager(app.configuration);
  await manager.backupDatabase();
  spoil(app.database);
  assert.equal(sumIn(app, app.database), 0);
  const result = await manager.restoreDatabase({ backup: "latest" });
  assert.equal(existsSync(`${app.database}-wal`), false);
  assert.deepEqual([...readFileSync(app.database).subarray(18, 20)], [2, 2], "WAL mode is back");
  assert.equal(sumIn(app, app.database), totalBalance);
  const safety = await manager.getBackup(result.safetyBackupId ?? "");
  assert.equal(safety.safety, true);
  await manager.restoreDatabase({ backup: safety.id, target: join(app.directory, "look-at") });
  assert.equal(sumIn(app, join(app.directory, "look-at", "app.db")), 0);
});

test("undoRestore() brings back the very files, and can be undone itself", async () => {
  await using app = createLiveApp();
  await using manager = createBackupManager(app.configuration);
  await manager.backupDatabase();
  spoil(app.database);
  const before = [readFileSync(app.database), readFileSync(`${app.database}-wal`)];
  const { restoreId } = await manager.restoreDatabase({ backup: "latest" });
  const restored = readFileSync(app.database);
  const undone = await manager.undoRestore();
  assert.deepEqual(undone, { restoreId, restored: [app.database] });
  assert.deepEqual([readFileSync(app.database), readFileSync(`${app.database}-wal`)], before);
  await manager.undoRestore();
  assert.deepEqual(readFileSync(app.database), restored);
  assert.equal(existsSync(`${app.database}-wal`), false);
  assert.equal(journals(app).length, 1);
});

test("undoRestore() and discardPreviousState() are about the last restore of their own vault, not of another app's", async () => {
  await using app = createLiveApp();
  await using other = createLiveApp();
  await using manager = createBackupManager(app.configuration);
  await using others = createBackupManager({ ...other.configuration, state: join(app.directory, "state") });
  await manager.backupDatabase();
  await others.backupDatabase();
  const { restoreId } = await manager.restoreDatabase({ backup: "latest" });
  const { previousState } = await others.restoreDatabase({ backup: "latest" });
  assert.equal((await manager.undoRestore()).restoreId, restoreId);
  const [mine] = await manager.discardPreviousState();
  assert.ok(mine?.startsWith(app.directory));
  assert.deepEqual(await manager.discardPreviousState(), []);
  assert.deepEqual(await others.discardPreviousState(), previousState);
});

test("undoRestore() makes a target absent again that was absent, with the folders made for it", async () => {
  await using app = createLiveApp();
  await using manager = createBackupManager(app.configuration);
  await manager.backupDatabase();
  const target = join(app.directory, "not", "there", "yet");
  const result = await manager.restoreDatabase({ backup: "latest", target });
  assert.equal(sumIn(app, join(target, "app.db")), totalBalance);
  assert.equal(result.safetyBackupId, undefined);
  assert.deepEqual(result.previousState, []);
  assert.deepEqual(leftovers(app.directory), []);
  await manager.undoRestore();
  assert.equal(existsSync(join(app.directory, "not")), false);
});

test("discardPreviousState() deletes what was kept, after which nothing can be undone", async () => {
  await using app = createLiveApp();
  await using manager = createBackupManager(app.configuration);
  await manager.backupDatabase();
  const { previousState } = await manager.restoreDatabase({ backup: "latest" });
  assert.equal(previousState.length, 1);
  assert.equal(statSync(previousState[0] ?? "").mode & 0o777, 0o700);
  assert.deepEqual(await manager.discardPreviousState(), previousState);
  assert.equal(existsSync(previousState[0] ?? ""), false);
  assert.deepEqual(await manager.discardPreviousState(), []);
  await assert.rejects(manager.undoRestore(), (error) => isBackupError(error, "not-found"));
});

test("restoreDatabase() keeps one previous state a target: the next restore discards the older", async () => {
  await using app = createLiveApp();
  await using manager = createBackupManager(app.configuration);
  await manager.backupDatabase();
  const first = await manager.restoreDatabase({ backup: "latest" });
  const second = await manager.restoreDatabase({ backup: "latest" });
  assert.equal(existsSync(first.previousState[0] ?? ""), false);
  assert.equal(existsSync(second.previousState[0] ?? ""), true);
  assert.equal(journals(app).length, 1);
});

test("restoreDatabase() leaves an older previous state alone that no safety backup holds", async () => {
  await using app = createLiveApp();
  await using manager = createBackupManager(app.configuration);
  await manager.backupDatabase();
  // SQLite cannot read it, so the safety backup is not a good one.
  writeFileSync(app.database, "the only copy of something");
  for (const suffix of ["-wal", "-shm"]) rmSync(`${app.database}${suffix}`, { force: true });
  const first = await manager.restoreDatabase({ backup: "latest" });
  spoil(app.database);
  const second = await manager.restoreDatabase({ backup: "latest" });
  const kept = join(first.previousState[0] ?? "", "app.db");
  assert.equal(readFileSync(kept, "utf8"), "the only copy of something");
  const { restored } = await manager.undoRestore({ restoreId: first.restoreId });
  assert.deepEqual(restored, [app.database]);
  assert.equal(readFileSync(app.database, "utf8"), "the only copy of something");
  assert.equal(existsSync(second.previousState[0] ?? ""), false, "its safety backup holds it");
  // What the undo replaced lies nowhere else either.
  const third = await manager.restoreDatabase({ backup: "latest" });
  assert.equal(journals(app).length, 2);
  assert.deepEqual(await manager.discardPreviousState(), third.previousState);
  assert.equal((await manager.discardPreviousState()).length, 1);
  assert.deepEqual(leftovers(app.directory), []);
});

test("restoreDatabase() refuses a database that somebody opens while it is built aside", async () => {
  await using app = createLiveApp();
  await using manager = createBackupManager(app.configuration);
  await manager.backupDatabase();
  let user: DatabaseSync | undefined;
  const before = readFileSync(app.database);
  const observer = {
    ...silentObserver,
    progress: ({ phase }: { readonly phase: string }) => {
      if (phase === "safety-backup") user ??= new DatabaseSync(app.database);
    },
  };
  const isInUse = (error: unknown): boolean => isBackupError(error, "unsafe");
  await assert.rejects(manager.restoreDatabase({ backup: "latest", observer }), isInUse);
  user?.close();
  assert.deepEqual(readFileSync(app.database), before);
  assert.deepEqual(leftovers(app.directory), []);
  assert.deepEqual(journals(app), []);
});

test("restoreDatabase() refuses a database that is open, unless forced", async () => {
  await using app = createLiveApp();
  await using manager = createBackupManager(app.configuration);
  await manager.backupDatabase();
  const user = new DatabaseSync(app.database);
  const before = readFileSync(app.database);
  const isInUse = (error: unknown): boolean =>
    isBackupError(error, "unsafe") &&
    error.message.includes(String(process.pid)) &&
    /--live/.test(error.hint ?? "");
  await assert.rejects(manager.restoreDatabase({ backup: "latest" }), isInUse);
  assert.deepEqual(readFileSync(app.database), before);
  assert.deepEqual(leftovers(app.directory), []);
  const plan = await manager.planRestore({ backup: "latest" });
  assert.match(plan.warnings.join(), /is open in process/);
  await manager.restoreDatabase({ backup: "latest", force: true });
  user.close();
});

test("restoreDatabase() live: an app that has the database open sees the restored content, and an undo", async () => {
  await using app = createLiveApp();
  await using manager = createBackupManager(app.configuration);
  await manager.backupDatabase();
  using user = new DatabaseSync(app.database);
  const sum = (): unknown => user.prepare("SELECT sum(balance) AS total FROM accounts").get()?.["total"];
  user.exec("UPDATE accounts SET balance = 7");
  const spoilt = sum();
  const inode = statSync(app.database).ino;
  const result = await manager.restoreDatabase({ backup: "latest", live: true });
  assert.equal(sum(), totalBalance);
  assert.equal(statSync(app.database).ino, inode);
  assert.ok(result.safetyBackupId);
  assert.deepEqual(leftovers(app.directory), []);
  await manager.undoRestore();
  assert.equal(sum(), spoilt);
  await manager.undoRestore();
  assert.equal(sum(), totalBalance);
  assert.deepEqual(leftovers(app.directory), []);
});

test("restoreDatabase() follows a link to the real place and leaves the link", async () => {
  await using app = createLiveApp();
  await using manager = createBackupManager(app.configuration);
  await manager.backupDatabase();
  const real = join(app.directory, "elsewhere", "real.db");
  mkdirSync(join(app.directory, "elsewhere"));
  renameSync(app.database, real);
  symlinkSync(real, app.database);
  spoil(real);
  await manager.restoreDatabase({ backup: "latest" });
  assert.equal(sumIn(app, real), totalBalance);
  assert.equal(readFileSync(app.database).length, statSync(real).size);
  rmSync(real);
  await manager.restoreDatabase({ backup: "latest" });
  assert.equal(sumIn(app, real), totalBalance, "also where the link leads nowhere");
});

test("restoreDatabase() refuses damaged bytes and leaves everything as it was", async () => {
  await using app = createLiveApp();
  await using manager = createBackupManager(app.configuration);
  const { backup } = await manager.backupDatabase();
  const stored = join(app.vault, backup.files.find((file) => file.role === "database")?.name ?? "");
  const bytes = readFileSync(stored);
  bytes[5000] = (bytes[5000] ?? 0) ^ 1;
  rmSync(stored);
  writeFileSync(stored, bytes);
  const before = readFileSync(app.database);
  await assert.rejects(manager.restoreDatabase({ backup: backup.id }), (error) =>
    isBackupError(error, "damaged"),
  );
  assert.deepEqual(readFileSync(app.database), before);
  assert.deepEqual(leftovers(app.directory), []);
  assert.deepEqual(journals(app), []);
});

test("restoreDatabase() refuses a file that is no database, and a folder in the database's place", async () => {
  await using app = createLiveApp();
  await using manager = createBackupManager(app.configuration);
  await manager.backupDatabase();
  const loose = join(app.directory, "db_backup_20240101_120000.db");
  writeFileSync(loose, "not a database at all".repeat(100));
  await assert.rejects(manager.restoreDatabase({ backup: loose }), (error) =>
    isBackupError(error, "damaged"),
  );
  rmSync(app.database);
  for (const suffix of ["-wal", "-shm"]) rmSync(app.database + suffix, { force: true });
  mkdirSync(app.database);
  await assert.rejects(manager.restoreDatabase({ backup: "latest" }), (error) =>
    isBackupError(error, "unsafe"),
  );
  assert.deepEqual(leftovers(app.directory), []);
});

test("restoreDatabase() takes a file of the original, warns, and keeps mode and place of the live one", async () => {
  await using app = createLiveApp();
  await using manager = createBackupManager(app.configuration);
  const { backup } = await manager.backupDatabase();
  const stored = join(app.vault, backup.files.find((file) => file.role === "database")?.name ?? "");
  const loose = join(app.directory, "old", "db_backup_20230101_120000.db");
  mkdirSync(join(app.directory, "old"));
  writeFileSync(loose, readFileSync(stored));
  spoil(app.database);
  const mode = statSync(app.database).mode;
  const result = await manager.restoreDatabase({ backup: loose });
  assert.match(result.warnings.join(), /unverified/);
  assert.equal(sumIn(app, app.database), totalBalance);
  assert.equal(statSync(app.database).mode, mode);
  assert.deepEqual(readFileSync(loose), readFileSync(stored), "the file restored from is not touched");
});

test("restoreBackup() takes a file of the original where there is no vault, says so, and can be undone", async () => {
  await using app = createLiveApp();
  let stored = "";
  {
    await using manager = createBackupManager(app.configuration);
    const { backup } = await manager.backupDatabase();
    stored = join(app.vault, backup.files.find((file) => file.role === "database")?.name ?? "");
  }
  const loose = join(app.directory, "db_backup_20230101_120000.db");
  renameSync(stored, loose);
  rmSync(app.vault, { recursive: true });
  spoil(app.database);
  const before = readFileSync(app.database);
  await using manager = createBackupManager({
    ...app.configuration,
    state: join(app.directory, "new-state"),
  });
  const plan = await manager.planRestore({ backup: loose });
  assert.equal(plan.safetyBackup, false);
  assert.match(plan.warnings.join(), /no safety backup is taken: what is replaced is kept beside it/);
  await assert.rejects(manager.restoreBackup({ backup: loose, live: true }), (error) =>
    isBackupError(error, "unsafe"),
  );
  const result = await manager.restoreBackup({ backup: loose }, plan);
  assert.equal(sumIn(app, app.database), totalBalance);
  assert.equal(result.safetyBackupId, undefined);
  assert.equal(result.previousState.length, 1);
  await manager.undoRestore();
  assert.deepEqual(readFileSync(app.database), before);
  await assert.rejects(manager.restoreBackup({ backup: "latest" }), /vault.*does not exist/);
  assert.equal(existsSync(app.vault), false, "nothing but create makes a vault");
  await manager.backupDatabase();
  assert.equal((await manager.planRestore({ backup: loose })).safetyBackup, true);
});

test("restoreDatabase() cancelled before the swap leaves everything as it was", async () => {
  await using app = createLiveApp();
  await using manager = createBackupManager(app.configuration);
  await manager.backupDatabase();
  const before = readFileSync(app.database);
  for (const phase of ["safety-backup", "stage"] as const) {
    const controller = new AbortController();
    const observer = {
      progress: (progress: { phase: string }) => {
        if (progress.phase === phase) controller.abort();
      },
      warning() {},
      problem() {},
    };
    const run = manager.restoreDatabase({ backup: "latest", signal: controller.signal, observer });
    await assert.rejects(run, isAbort, phase);
    assert.deepEqual(readFileSync(app.database), before);
    assert.deepEqual(leftovers(app.directory), []);
    assert.deepEqual(journals(app), []);
    assert.equal((await manager.listBackups()).length, 1, "no safety backup stays of what is as it was");
  }
});

test("restoreDatabase() that cannot clear up after a failure reports the failure, and warns of the rest", async () => {
  await using app = createLiveApp();
  await using manager = createBackupManager(app.configuration);
  await manager.backupDatabase();
  const before = readFileSync(app.database);
  const restores = join(app.directory, "state", "restores");
  const controller = new AbortController();
  const warnings: string[] = [];
  const observer = {
    progress(progress: { phase: string }) {
      if (progress.phase !== "stage" || controller.signal.aborted) return;
      renameSync(restores, `${restores}-away`);
      writeFileSync(restores, "");
      controller.abort();
    },
    warning: (text: string) => void warnings.push(text),
    problem() {},
  };
  const run = manager.restoreDatabase({ backup: "latest", signal: controller.signal, observer });
  await assert.rejects(run, isAbort);
  assert.match(warnings.join("\n"), /could not be removed, which the next command does: .*ENOTDIR/);
  rmSync(restores);
  renameSync(`${restores}-away`, restores);
  await manager.listBackups();
  assert.deepEqual(readFileSync(app.database), before);
  assert.deepEqual(leftovers(app.directory), []);
  assert.deepEqual(journals(app), []);
});

test("restoreDatabase() refuses a target that another restore is at work on", async () => {
  await using app = createLiveApp();
  await using manager = createBackupManager(app.configuration);
  await manager.backupDatabase();
  const target = join(app.directory, "side");
  const runs = await Promise.allSettled(
    [1, 2, 3].map(() => manager.restoreDatabase({ backup: "latest", target })),
  );
  const refused = runs.filter((run) => run.status === "rejected");
  assert.ok(refused.length < 3);
  for (const run of refused) assert.ok(isBackupError(run.reason, "locked"), String(run.reason));
  assert.equal(sumIn(app, join(target, "app.db")), totalBalance);
  assert.ok(!leftovers(app.directory).some((path) => path.includes("vertex-restore")));
});
