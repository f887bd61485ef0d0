import assert from "node:assert/strict";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { test } from "node:test";
import "../../testing/kept-captures.ts";
import { createBackupManager } from "../../app/create-backup-manager.ts";
import { isBackupError } from "../../domain/error.ts";
import { createLiveApp, type LiveApp } from "../../testing/live-app.ts";

/** The longest path that the kernel takes. */
const longest = 4095;

/** A file whose absolute path is as long as paths can be, in a folder at 4,090 bytes. */
function makeDeepFile({ uploads }: LiveApp): string {
  const folder = join(uploads, ...new Array(33).fill("d".repeat(120)));
  const deepest = join(folder, "e".repeat(longest - 5 - folder.length - 1));
  mkdirSync(deepest, { recursive: true });
  const file = join(deepest, "four");
  assert.equal(file.length, longest);
  writeFileSync(file, "then");
  return file;
}

function keptBeside({ directory }: LiveApp): readonly string[] {
  return readdirSync(directory).filter((name) => name.includes(".vertex-"));
}

test("restore: a tree as deep as paths go is restored in place, undone and discarded", async () => {
  await using app = createLiveApp();
  const file = makeDeepFile(app);
  await using manager = createBackupManager(app.configuration);
  await manager.backupStorage();
  writeFileSync(file, "now");
  const { safetyBackupId, warnings } = await manager.restoreBackup({ backup: "latest" });
  assert.ok(safetyBackupId);
  assert.deepEqual(warnings, []);
  assert.equal(readFileSync(file, "utf8"), "then");
  await manager.undoRestore();
  assert.equal(readFileSync(file, "utf8"), "now");
  await manager.undoRestore();
  assert.equal(readFileSync(file, "utf8"), "then");
  assert.equal(keptBeside(app).length, 1);
  assert.equal((await manager.discardPreviousState()).length, 1);
  assert.deepEqual(keptBeside(app), []);
  rmSync(join(app.uploads, "d".repeat(120)), { recursive: true });
});

test("restore: one file as deep as paths go is put back, beside what came since", async () => {
  await using app = createLiveApp();
  const file = makeDeepFile(app);
  await using manager = createBackupManager(app.configuration);
  await manager.backupStorage();
  rmSync(file);
  const since = join(dirname(file), "new");
  writeFileSync(since, "since");
  await manager.restoreBackup({ backup: "latest", include: ["**/four"] });
  assert.deepEqual([readFileSync(file, "utf8"), readFileSync(since, "utf8")], ["then", "since"]);
  writeFileSync(file, "now");
  await manager.restoreBackup({ backup: "latest", include: ["**/four"] });
  assert.equal(readFileSync(file, "utf8"), "then");
  await manager.undoRestore();
  assert.equal(readFileSync(file, "utf8"), "now");
  await manager.discardPreviousState();
  assert.deepEqual(keptBeside(app), []);
});

test("restore: what would be deeper than paths go is refused by name, and nothing is left of it", async () => {
  await using app = createLiveApp();
  makeDeepFile(app);
  await using manager = createBackupManager(app.configuration);
  await manager.backupStorage();
  const target = join(app.directory, "a-longer-name", "than-before");
  await assert.rejects(
    manager.restoreBackup({ backup: "latest", target }),
    (error) => isBackupError(error, "unsupported") && /its path has 4\d+ bytes/.test(error.message),
  );
  assert.equal(existsSync(join(app.directory, "a-longer-name")), false);
  assert.deepEqual(keptBeside(app), []);
});
