import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { statSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { loadAccountNames } from "../source/account-names.ts";
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
