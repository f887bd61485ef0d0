import assert from "node:assert/strict";
import {
  copyFileSync,
  linkSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import "../../testing/kept-captures.ts";
import { createBackupManager } from "../../app/create-backup-manager.ts";
import { isBackupError } from "../../domain/error.ts";
import { createLiveApp, type LiveApp, sumOfBalances, totalBalance } from "../../testing/live-app.ts";
import type { BackupManager } from "../backup-manager.ts";

/** The database and what is going to be a second name of it. */
function managerOf(app: LiveApp, databases: readonly string[]): BackupManager {
  return createBackupManager({ ...app.configuration, sources: [{ name: "shop", databases }] });
}

/** As backups were made of the two before they were refused: what held the same is a link now. */
function makeLink(app: LiveApp, second: string): void {
  rmSync(second);
  symlinkSync("app.db", second);
  writeFileSync(app.database, "since");
}

test("restore: a database that was backed up under two names, of which one is a link, comes back once", async () => {
  await using app = createLiveApp();
  // The first in the backup; yet it is the link.
  const link = join(app.directory, "a-link.db");
  copyFileSync(app.database, link);
  await using manager = managerOf(app, [link, app.database]);
  await manager.backupDatabase();
  makeLink(app, link);
  const said = `app.db and a-link.db are one file, ${app.database}, and the same in the backup: it is restored once`;
  const plan = await manager.planRestore({ backup: "latest" });
  assert.ok(plan.warnings.includes(said), plan.warnings.join());
  const { targets, warnings } = await manager.restoreDatabase({ backup: "latest" });
  assert.deepEqual(
    targets.map(({ path }) => path),
    [app.database],
  );
  assert.ok(warnings.includes(said), warnings.join());
  assert.equal(sumOfBalances(app.database), totalBalance);
  assert.equal(readlinkSync(link), "app.db");
});

test("restore: two databases that differ in the backup and are one file now are refused by name, and each can be chosen", async () => {
  await using app = createLiveApp();
  const second = join(app.directory, "second.db");
  writeFileSync(second, "");
  await using manager = managerOf(app, [app.database, second]);
  await manager.backupDatabase();
  makeLink(app, second);
  await assert.rejects(
    manager.restoreDatabase({ backup: "latest" }),
    (error) =>
      isBackupError(error, "invalid-input") &&
      error.message ===
        `Cannot restore database app.db and database second.db: both are ${app.database} now` &&
      /differ.*--include/.test(error.hint ?? ""),
  );
  assert.equal(readFileSync(app.database, "utf8"), "since");
  await manager.restoreDatabase({ backup: "latest", include: ["app.db"] });
  assert.equal(sumOfBalances(app.database), totalBalance);
});

test("restore: two folders that are one now are refused by name", async () => {
  await using app = createLiveApp();
  const second = join(app.directory, "second");
  mkdirSync(second);
  const source = { name: "shop", storage: [app.uploads, second] };
  await using manager = createBackupManager({ ...app.configuration, sources: [source] });
  await manager.backupStorage();
  renameSync(second, join(app.directory, "moved"));
  symlinkSync("uploads", second);
  await assert.rejects(
    manager.restoreStorage({ backup: "latest" }),
    (error) =>
      isBackupError(error, "invalid-input") &&
      error.message === `Cannot restore folder uploads and folder second: both are ${app.uploads} now`,
  );
});

test("restore: a database that is named by a link alone is replaced behind the link", async () => {
  await using app = createLiveApp();
  const link = join(app.directory, "link.db");
  symlinkSync("app.db", link);
  await using manager = managerOf(app, [link]);
  await manager.backupDatabase();
  writeFileSync(app.database, "since");
  await manager.restoreDatabase({ backup: "latest" });
  assert.equal(sumOfBalances(app.database), totalBalance);
  assert.ok(lstatSync(link).isSymbolicLink());
});

test("restore: two names of one file (hard links) that are both restored become a file each, which is said", async () => {
  await using app = createLiveApp();
  const second = join(app.directory, "second.db");
  linkSync(app.database, second);
  await using manager = managerOf(app, [app.database, second]);
  await manager.backupDatabase();
  const { warnings } = await manager.restoreDatabase({ backup: "latest" });
  const said = `${app.database} and ${second} are one file now (hard links), and become a file each`;
  assert.deepEqual(
    warnings.filter((warning) => warning.includes("hard links")),
    [said],
  );
  for (const path of [app.database, second]) assert.equal(sumOfBalances(path), totalBalance);
});

test("create: a source that names one file or folder twice is refused, and is not where only the other is backed up", async () => {
  await using app = createLiveApp();
  symlinkSync("app.db", join(app.directory, "link.db"));
  symlinkSync("uploads", join(app.directory, "link"));
  const databases = [app.database, join(app.directory, "link.db")];
  const storage = [app.uploads, join(app.directory, "link")];
  const refusal = async (source: object): Promise<string> => {
    const sources = [{ name: "shop", ...source }];
    await using manager = createBackupManager({ ...app.configuration, sources });
    return await manager.createFullBackup().then(
      () => "made",
      (error: unknown) => (isBackupError(error, "invalid-input") ? error.message : String(error)),
    );
  };
  assert.equal(
    await refusal({ databases, storage: [app.uploads] }),
    `Cannot back up shop: app.db and link.db are one file, ${app.database}`,
  );
  assert.equal(
    await refusal({ databases: [app.database], storage }),
    `Cannot back up shop: uploads and link are one folder, ${app.uploads}`,
  );
  const sources = [{ name: "shop", databases: [app.database], storage }];
  await using manager = createBackupManager({ ...app.configuration, sources });
  assert.equal((await manager.backupDatabase()).backup.state, "good");
});
