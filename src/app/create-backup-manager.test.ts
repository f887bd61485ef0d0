import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmdirSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { isBackupError } from "../domain/error.ts";
import { loadAccountNames } from "../source/folder/account-names.ts";
import { createLiveApp } from "../testing/live-app.ts";
import { createBackupManager } from "./create-backup-manager.ts";

test("createBackupManager() has archives name owners as well as number them, as tar does", async () => {
  await using app = createLiveApp();
  await using manager = createBackupManager(app.configuration);
  const { backup } = await manager.backupStorage();
  const archive = backup.files.find((file) => file.role === "archive")?.name ?? "";
  const listing = execFileSync("tar", ["-tvzf", join(app.vault, archive)], { encoding: "utf8" });
  const { uid, gid } = statSync(app.uploads);
  const names = loadAccountNames();
  const owner = `${names.user(uid) || uid}/${names.group(gid) || gid}`;
  for (const line of listing.trim().split("\n")) assert.equal(line.split(/\s+/)[1], owner, line);
});

test("createBackupManager() says that it makes a vault, once, and makes none where one has been", async () => {
  await using app = createLiveApp();
  const warnings: string[] = [];
  const observer = { progress() {}, problem() {}, warning: (text: string) => warnings.push(text) };
  const create = async (): Promise<unknown> => {
    await using manager = createBackupManager(app.configuration, { observer });
    return await manager.backupDatabase();
  };
  const hintOfList = async (): Promise<string> => {
    await using manager = createBackupManager(app.configuration);
    const failure = await manager.listBackups().catch((error: unknown) => error);
    assert.ok(isBackupError(failure, "not-found"), String(failure));
    return failure.hint ?? "";
  };
  assert.match(await hintOfList(), /create/);
  await create();
  await create();
  assert.deepEqual(warnings, [`Made a new vault in ${app.vault}`]);

  // As an unmounted backup disk leaves it.
  renameSync(app.vault, `${app.vault}-elsewhere`);
  mkdirSync(app.vault);
  const refused = await create().then(
    () => undefined,
    (error: unknown) => error,
  );
  assert.ok(isBackupError(refused, "storage-unavailable"), String(refused));
  assert.deepEqual(readdirSync(app.vault), []);
  // Whoever lists is not sent to a create that refuses.
  assert.equal(await hintOfList(), refused.hint);
  const remembered = /delete (\S+) first/.exec(refused.hint ?? "")?.[1] ?? "";
  assert.equal(readFileSync(remembered, "utf8"), `${app.vault}\n`);

  rmdirSync(app.vault);
  await assert.rejects(create(), /there was one, and now there is none/);
  assert.equal(existsSync(app.vault), false);
  assert.equal(await hintOfList(), refused.hint);

  rmSync(remembered);
  await create();
  assert.equal(warnings.length, 2);
});

test("createBackupManager() goes on where backups are but the vault's marker was moved away", async () => {
  await using app = createLiveApp();
  const warnings: string[] = [];
  const observer = { progress() {}, problem() {}, warning: (text: string) => warnings.push(text) };
  for (const expected of [1, 1]) {
    await using manager = createBackupManager(app.configuration, { observer });
    await manager.backupDatabase();
    assert.equal(warnings.length, expected, warnings.join("\n"));
    rmSync(join(app.vault, ".vertex", "vault.json"));
  }
});

test("createBackup() and verifyBackup() do without a state folder that cannot be used, and say so; a restore does not", async () => {
  await using app = createLiveApp();
  const file = join(app.directory, "file");
  writeFileSync(file, "");
  const warnings: string[] = [];
  const observer = { progress() {}, problem() {}, warning: (text: string) => warnings.push(text) };
  const configuration = { ...app.configuration, state: join(file, "state") };
  await using manager = createBackupManager(configuration, { observer });
  const { backup } = await manager.createBackup();
  assert.equal(backup.state, "good");
  const said =
    /^Cannot use state folder .*file\/state: .*; copies are made in (\S+) instead, and it is not remembered/;
  const scratch = said.exec(warnings[0] ?? "")?.[1];
  assert.ok(scratch, warnings.join());
  assert.deepEqual(readdirSync(scratch), []);
  assert.equal((await manager.verifyBackup()).ok, true);
  assert.deepEqual(warnings.length, 3, "both say it, and the first that it made a vault");
  await assert.rejects(
    manager.restoreBackup({ backup: "latest", target: join(app.directory, "out") }),
    (error) =>
      isBackupError(error, "storage-unavailable") && error.message.startsWith("Cannot use state folder"),
  );
});
