import assert from "node:assert/strict";
import { readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { test } from "node:test";
import "../testing/kept-captures.ts";
import { createBackupManager } from "../app/create-backup-manager.ts";
import type { Problem } from "../domain/backup.ts";
import { systemClock } from "../domain/clock.ts";
import { isAbort, isBackupError } from "../domain/error.ts";
import { type Observer, type Phase, silentObserver } from "../domain/progress.ts";
import { openLocalStorage } from "../storage/local-storage.ts";
import { readThisMachine } from "../storage/this-machine.ts";
import { createLiveApp, type LiveApp, sumOfBalances, totalBalance } from "../testing/live-app.ts";
import { openArchiveVault } from "../vault/archive/archive-vault.ts";
import type { BackUpResult } from "./requests.ts";

/** What is left in the folders where images and copies are made; nothing, once a run is over. */
function leftovers(app: LiveApp): string[] {
  const staging = readdirSync(join(app.vault, ".vertex", "staging"));
  return [...staging, ...readdirSync(join(app.directory, "state", "scratch"))];
}

interface Heard {
  readonly phases: Set<Phase>;
  readonly warnings: string[];
  readonly problems: Problem[];
}

function listener(): Observer & Heard {
  const [phases, warnings, problems] = [new Set<Phase>(), [] as string[], [] as Problem[]];
  return {
    phases,
    warnings,
    problems,
    progress: ({ phase }) => phases.add(phase),
    warning: (message) => warnings.push(message),
    problem: (problem) => problems.push(problem),
  };
}

test("createBackup() backs up everything the source has unless told a type", async () => {
  await using app = createLiveApp();
  const onlyDatabase = { name: "a", databases: [app.database] };
  const onlyFolder = { name: "b", storage: [app.uploads] };
  await using manager = createBackupManager({ ...app.configuration, sources: [onlyDatabase, onlyFolder] });
  assert.equal((await manager.createBackup({ source: "a" })).backup.type, "database");
  assert.equal((await manager.createBackup({ source: "b" })).backup.type, "storage");
  for (const [source, type] of [
    ["a", "storage"],
    ["a", "full"],
    ["b", "database"],
  ] as const) {
    await assert.rejects(
      manager.createBackup({ source, type }),
      (error) => isBackupError(error, "invalid-input") && error.hint !== undefined,
    );
  }
});

test("a backup is within 3 % of the size level 6 makes, unless told another level", async () => {
  await using app = createLiveApp();
  const sources = readdirSync(import.meta.dirname, { withFileTypes: true }).filter((entry) => entry.isFile());
  const text = sources.map(({ name }) => readFileSync(join(import.meta.dirname, name))).sort(Buffer.compare);
  writeFileSync(join(app.uploads, "text"), Buffer.concat(text));
  const archiveBytes = async (level?: number): Promise<number> => {
    const vault = join(app.directory, `vault-${level}`);
    await using manager = createBackupManager({ ...app.configuration, vault });
    const { backup } = await manager.backupStorage(level === undefined ? {} : { level });
    return backup.files.find(({ role }) => role === "archive")?.sizeBytes ?? 0;
  };
  const wanted = 1.03 * (await archiveBytes(6));
  assert.ok((await archiveBytes()) <= wanted);
  assert.ok((await archiveBytes(1)) > wanted, "a level that is told is taken, and the check can fail");
});

test("createBackup() wants a source named where there are several, and one configured at all", async () => {
  await using app = createLiveApp();
  const sources = ["a", "b"].map((name) => ({ name, databases: [app.database] }));
  await using several = createBackupManager({ ...app.configuration, sources });
  await assert.rejects(several.createBackup(), (error) => isBackupError(error, "invalid-input"));
  await using none = createBackupManager({ ...app.configuration, sources: [] });
  await assert.rejects(none.createBackup(), (error) => isBackupError(error, "invalid-input"));
  await assert.rejects(none.createAllBackups(), (error) => isBackupError(error, "invalid-input"));
});

test("createBackup() that is cancelled leaves nothing behind and counts as no failure", async () => {
  await using app = createLiveApp();
  await using manager = createBackupManager(app.configuration);
  await manager.backupDatabase();
  const controller = new AbortController();
  const observer = { ...listener(), progress: () => controller.abort() };
  const run = manager.createFullBackup({ signal: controller.signal, observer });
  await assert.rejects(run, (error) => isAbort(error));
  assert.equal((await manager.listBackups()).length, 1);
  assert.equal((await manager.getBackupStats()).failed, 0);
  assert.deepEqual(leftovers(app), []);
  assert.equal(readdirSync(join(app.vault, "database")).length, 2);
});

test("createBackup() records a run that failed, and leaves nothing of it", async () => {
  await using app = createLiveApp();
  const sources = [{ name: "shop", databases: [join(app.directory, "none.db")] }];
  await using manager = createBackupManager({ ...app.configuration, sources });
  await assert.rejects(
    manager.createBackup(),
    (error) => isBackupError(error, "source-unavailable") && error.message.includes("none.db"),
  );
  assert.equal((await manager.getBackupStats()).failed, 1);
  assert.deepEqual(await manager.listBackups(), []);
  assert.deepEqual(leftovers(app), []);
});

test("createBackup() marks the backup suspect when a database is gone, and rotation waits for confirm (I5)", async () => {
  await using app = createLiveApp({ retention: { last: 1 } });
  await using manager = createBackupManager(app.configuration);
  await manager.backupDatabase();
  renameSync(app.database, `${app.database}.away`);
  const observer = listener();
  const { backup, warnings, rotation } = await manager.backupDatabase({ observer });
  assert.equal(backup.state, "suspect");
  assert.match(backup.stateReason, /app\.db is missing/);
  assert.deepEqual(
    observer.problems.map((problem) => problem.kind),
    ["unreadable"],
  );
  assert.deepEqual(rotation?.removed, []);
  assert.equal(warnings.length, 1);
  assert.match(warnings[0] ?? "", /until .* is confirmed/);
  renameSync(`${app.database}.away`, app.database);
  const healthy = await manager.backupDatabase();
  assert.deepEqual([healthy.backup.state, healthy.rotation?.removed], ["good", []]);
  assert.equal((await manager.confirmBackup(backup.id)).state, "incomplete");
  await assert.rejects(manager.confirmBackup(backup.id), (error) => isBackupError(error, "invalid-input"));
  assert.equal((await manager.rotateBackups()).removed.length, 2);
});

test("createBackup() has rotation wait for a suspect backup that is damaged as well (I5)", async () => {
  await using app = createLiveApp({ retention: { last: 1 } });
  await using manager = createBackupManager(app.configuration);
  const first = (await manager.createFullBackup()).backup;
  rmSync(app.uploads, { recursive: true });
  for (const suffix of ["-wal", "-shm"]) rmSync(app.database + suffix, { force: true });
  writeFileSync(app.database, "no database any more".repeat(1000));
  const { backup, rotation } = await manager.createFullBackup();
  assert.deepEqual([backup.state, backup.suspect], ["damaged", true]);
  assert.match(backup.stateReason, /app\.db failed its check.*; it is suspect as well: .*uploads/);
  assert.equal(rotation?.held.length, 1);
  const listed = await manager.getBackup(backup.id);
  assert.deepEqual([listed.state, listed.suspect], ["damaged", true]);
  // What lay in the folder before is all that is left of it.
  assert.ok((await manager.listBackups()).some(({ id }) => id === first.id));
  const confirmed = await manager.confirmBackup(backup.id);
  assert.deepEqual([confirmed.state, confirmed.suspect], ["damaged", undefined]);
  assert.deepEqual((await manager.rotateBackups({ dryRun: true })).held, []);
  await assert.rejects(manager.confirmBackup(backup.id), (error) => isBackupError(error, "invalid-input"));
});

test("createBackup() keeps rotation waiting when a suspect backup is found damaged later (I5)", async () => {
  await using app = createLiveApp({ retention: { last: 1 } });
  await using manager = createBackupManager(app.configuration);
  await manager.backupStorage();
  for (const n of [0, 1, 2]) rmSync(join(app.uploads, "2024", `${n}.txt`));
  const { backup } = await manager.backupStorage();
  const archive = backup.files.find(({ role }) => role === "archive")?.name ?? "";
  writeFileSync(join(app.vault, archive), "x", { flag: "r+" });
  assert.equal((await manager.verifyBackup({ backup: backup.id })).ok, false);
  const listed = await manager.getBackup(backup.id);
  assert.deepEqual([listed.state, listed.suspect], ["damaged", true]);
  assert.equal((await manager.rotateBackups()).held.length, 1);
});

test("createBackup() marks the backup suspect when a database lost most of its content", async () => {
  await using app = createLiveApp();
  await using manager = createBackupManager(app.configuration);
  {
    using database = new DatabaseSync(app.database);
    database.exec("CREATE TABLE big (x); INSERT INTO big VALUES (zeroblob(200000))");
  }
  assert.equal((await manager.backupDatabase()).backup.state, "good");
  {
    using database = new DatabaseSync(app.database);
    database.exec("DROP TABLE big; VACUUM");
  }
  const { backup } = await manager.backupDatabase();
  assert.equal(backup.state, "suspect");
  assert.match(backup.stateReason, /shrank/);
});

test("createBackup() keeps a damaged database as it is, marks it, and does not count it as good", async () => {
  await using app = createLiveApp({ retention: { last: 1 } });
  await using manager = createBackupManager(app.configuration);
  const good = (await manager.backupDatabase()).backup;
  const bytes = readFileSync(app.database);
  rmSync(`${app.database}-wal`, { force: true });
  rmSync(`${app.database}-shm`, { force: true });
  bytes.fill(0xa5, 4096);
  writeFileSync(app.database, bytes);
  const { backup } = await manager.backupDatabase();
  assert.equal(backup.state, "damaged");
  assert.deepEqual(
    (await manager.listBackups()).map((listed) => listed.id),
    [backup.id, good.id],
  );
  // What is verified is the backup: it holds what was there.
  const { reports } = await manager.verifyBackup({ backup: backup.id });
  assert.deepEqual(reports[0]?.damages, []);
});

test("createBackup() side by side makes backups that do not disturb each other (H6)", async () => {
  await using app = createLiveApp();
  await app.startWriter();
  await using first = createBackupManager(app.configuration);
  await using second = createBackupManager(app.configuration);
  const results = await Promise.all([first, second, first].map((manager) => manager.backupDatabase()));
  assert.equal(new Set(results.map(({ backup }) => backup.id)).size, 3);
  for (const { backup } of results) {
    assert.equal(sumOfBalances(join(app.vault, backup.files[0]?.name ?? "")), totalBalance);
  }
  assert.equal((await first.listBackups()).length, 3);
});

test("createAllBackups() backs up every source and tells what became of each", async () => {
  await using app = createLiveApp({ retention: { last: 1 } });
  const sources = [
    { name: "shop", databases: [app.database] },
    { name: "gone", databases: [join(app.directory, "none.db")] },
    { name: "blog", databases: [app.database] },
  ];
  await using manager = createBackupManager({ ...app.configuration, sources });
  await manager.createAllBackups();
  const outcomes = await manager.createAllBackups();
  assert.deepEqual(
    outcomes.map(({ source }) => source),
    ["shop", "gone", "blog"],
  );
  const [shop, gone, blog] = outcomes.map((outcome) => ("error" in outcome ? outcome.error : outcome.result));
  assert.ok(isBackupError(gone, "source-unavailable"));
  assert.equal((shop as BackUpResult).rotation?.removed.length, 1);
  assert.equal((blog as BackUpResult).rotation?.removed.length, 1);
  assert.equal((await manager.listBackups()).length, 2);
  await assert.rejects(manager.getBackup("latest"), (error) => isBackupError(error, "invalid-input"));
  assert.equal((await manager.getBackup("latest", { source: "blog" })).source, "blog");
});

test("createBackup() tells both the manager's observer and the call's what it does", async () => {
  await using app = createLiveApp();
  const [ofManager, ofCall] = [listener(), listener()];
  await using manager = createBackupManager(app.configuration, { observer: ofManager });
  await manager.backupDatabase({ observer: ofCall });
  assert.ok(ofManager.phases.has("capture"));
  assert.deepEqual(ofCall.phases, ofManager.phases);
});

test("createBackup() that cannot rotate because of another run is still a success, with a warning (I7)", async () => {
  await using app = createLiveApp({ retention: { last: 1 }, lockWaitMs: 0 });
  await using manager = createBackupManager(app.configuration);
  await manager.backupDatabase();
  await using other = await runningBackup(app);
  assert.match(other.id, /^db_backup/);
  const { backup, warnings, rotation } = await manager.backupDatabase();
  assert.deepEqual([backup.state, rotation], ["good", undefined]);
  assert.match(warnings[0] ?? "", /older backups were not rotated/);
  await assert.rejects(manager.rotateBackups(), (error) => isBackupError(error, "locked"));
});

/** A backup that has begun and goes on until it is disposed of. */
async function runningBackup(app: LiveApp): Promise<AsyncDisposable & { readonly id: string }> {
  const machine = readThisMachine();
  const storage = await openLocalStorage(app.vault, { create: true, machine });
  const signal = new AbortController().signal;
  const options = { storage, machine, clock: systemClock, toolVersion: "0", create: true };
  const vault = await openArchiveVault(options, signal);
  const writer = await vault.begin(
    {
      type: "database",
      source: "shop",
      host: "test",
      startedAtMs: systemClock.now(),
      safety: false,
      tags: [],
      roots: [],
      parent: undefined,
      level: undefined,
      lockWaitMs: 0,
      observer: silentObserver,
    },
    signal,
  );
  return {
    id: writer.id ?? "",
    async [Symbol.asyncDispose]() {
      await writer.abort();
      await vault[Symbol.asyncDispose]();
    },
  };
}

test("listBackups() and createBackup() work where the state folder cannot be used; restoreBackup() says so", async () => {
  await using app = createLiveApp();
  const state = join(app.directory, "file");
  writeFileSync(state, "");
  await using stateless = createBackupManager({ ...app.configuration, state });
  const { backup, warnings } = await stateless.backupDatabase();
  assert.deepEqual([backup.state, warnings], ["good", []]);
  assert.equal((await stateless.listBackups()).length, 1);
  await assert.rejects(
    stateless.restoreBackup({ backup: backup.id }),
    (error) => isBackupError(error, "storage-unavailable") && /state folder/.test(error.message),
  );
});
