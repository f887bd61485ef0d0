import assert from "node:assert/strict";
import { copyFileSync, writeFileSync } from "node:fs";
import { join, relative } from "node:path";
import { test } from "node:test";
import "../testing/kept-captures.ts";
import { createBackupManager } from "../app/create-backup-manager.ts";
import { isBackupError } from "../domain/error.ts";
import { createLiveApp } from "../testing/live-app.ts";

test("getBackup() takes an id, the beginning of one, latest, and the path of a file in the vault (B5)", async () => {
  await using app = createLiveApp();
  await using manager = createBackupManager(app.configuration);
  const { id } = (await manager.backupDatabase()).backup;
  const path = join(app.vault, "database", `${id}.db`);
  for (const reference of [id, "db_backup", "latest", path, relative(process.cwd(), path)]) {
    assert.equal((await manager.getBackup(reference)).id, id, reference);
  }
});

test("getBackup() knows no file outside the vault and none that is not a backup", async () => {
  await using app = createLiveApp();
  await using manager = createBackupManager(app.configuration);
  await manager.backupDatabase();
  const stray = join(app.vault, "notes.json");
  writeFileSync(stray, "{}");
  for (const reference of [app.database, stray, join(app.vault, "database", "none.db"), "full_backup"]) {
    await assert.rejects(
      manager.getBackup(reference),
      (error) => isBackupError(error, "not-found"),
      reference,
    );
  }
});

test("getBackup() finds a file that the Python original wrote, as unverified (B5)", async () => {
  await using app = createLiveApp();
  await using manager = createBackupManager(app.configuration);
  const { id } = (await manager.backupDatabase()).backup;
  const foreign = join(app.vault, "database", "db_backup_20230101_120000.db");
  copyFileSync(join(app.vault, "database", `${id}.db`), foreign);
  const backup = await manager.getBackup(foreign);
  assert.deepEqual([backup.id, backup.state], ["db_backup_20230101_120000", "unverified"]);
  assert.equal((await manager.getBackup("latest")).id, id);
  assert.deepEqual((await manager.rotateBackups({ rules: { last: 1 } })).removed, []);
});

test("latest is of the one configured source to every verb, though the vault holds another's backups", async () => {
  await using app = createLiveApp();
  const [shop] = app.configuration.sources ?? [];
  assert.ok(shop);
  const blog = { ...shop, name: "blog" };
  await using ofShop = createBackupManager(app.configuration);
  await using ofBlog = createBackupManager({ ...app.configuration, sources: [blog] });
  const { id } = (await ofShop.createBackup()).backup;
  const other = (await ofBlog.createBackup()).backup.id;
  const named: Record<string, string | undefined> = {
    get: (await ofShop.getBackup("latest")).id,
    pin: (await ofShop.pinBackup("latest")).id,
    unpin: (await ofShop.unpinBackup("latest")).id,
    verify: (await ofShop.verifyBackup({ backup: "latest" })).reports[0]?.id,
    plan: (await ofShop.planRestore({ backup: "latest", target: join(app.directory, "out") })).backup.id,
  };
  for (const [verb, found] of Object.entries(named)) assert.equal(found, id, verb);
  const same = { before: "latest", after: id };
  assert.deepEqual(await Array.fromAsync(ofShop.browse.compareBackups(same)), []);
  assert.notEqual((await Array.fromAsync(ofShop.browse.listEntries({ backup: "latest" }))).length, 0);
  assert.equal((await ofBlog.getBackup("latest")).id, other);
  assert.equal((await ofShop.getBackup("latest", { source: "blog" })).id, other);
  await using ofBoth = createBackupManager({ ...app.configuration, sources: [shop, blog] });
  await assert.rejects(
    ofBoth.getBackup("latest"),
    (error) => isBackupError(error, "invalid-input") && /--source, one of blog, shop/.test(error.hint ?? ""),
  );
});

test("pinBackup() keeps a backup until unpinBackup() gives it back to rotation", async () => {
  await using app = createLiveApp();
  await using manager = createBackupManager(app.configuration);
  const { id } = (await manager.backupDatabase()).backup;
  await manager.backupDatabase();
  assert.equal((await manager.pinBackup(id)).pinned, true);
  assert.equal((await manager.pinBackup(id)).pinned, true);
  assert.deepEqual((await manager.rotateBackups({ rules: { last: 1 } })).removed, []);
  assert.equal((await manager.unpinBackup(id)).pinned, false);
  assert.deepEqual((await manager.rotateBackups({ rules: { last: 1 } })).removed, [id]);
});

test("verifyBackup() remembers what it found: damage, and that it was repaired", async () => {
  await using app = createLiveApp();
  await using manager = createBackupManager(app.configuration);
  const { id } = (await manager.backupDatabase()).backup;
  assert.equal((await manager.verifyBackup()).ok, true);
  assert.notEqual((await manager.getBackup(id)).verifiedAt, undefined);
  const path = join(app.vault, "database", `${id}.db`);
  const copy = join(app.directory, "copy.db");
  copyFileSync(path, copy);
  writeFileSync(path, Buffer.alloc(8192, 1));
  const { ok, reports } = await manager.verifyBackup({ backup: "latest" });
  assert.equal(ok, false);
  assert.equal(reports[0]?.damages[0]?.object, `database/${id}.db`);
  assert.equal((await manager.getBackup(id)).state, "damaged");
  copyFileSync(copy, path);
  assert.equal((await manager.verifyBackup({ backup: id, depth: "stored" })).ok, true);
  assert.equal((await manager.getBackup(id)).state, "good");
});
