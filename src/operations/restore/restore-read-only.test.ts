/**
 * Restores as an ordinary user: mode bits do not bind root, so this process gives root up for good
 * once it has loaded what it needs. What belongs to others is made before.
 */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { test } from "node:test";
import { createBackupManager } from "../../app/create-backup-manager.ts";
import { isBackupError } from "../../domain/error.ts";
import { byteStringFromText } from "../../domain/byte-string.ts";
import { isRestoreLeftover } from "../../source/swap/staging-names.ts";
import { realDisk } from "../../source/swap/swap-disk.ts";

type Manager = ReturnType<typeof createBackupManager>;

const isRoot = process.geteuid?.() === 0;
const directory = mkdtempSync(join(tmpdir(), "vertex-backup-read-only-"));
/** A further group of the user, if there is one. */
const sharedGroup = isRoot ? 65533 : (process.getgroups?.() ?? []).find((gid) => gid !== process.getegid?.());
const elsewhere = join(directory, "elsewhere");
const sticky = join(directory, "sticky");

function managerOf(name: string, storage: string): Manager {
  mkdirSync(join(directory, name), { recursive: true });
  const at = (part: string): string => join(directory, name, part);
  return createBackupManager({
    vault: at("vault"),
    state: at("state"),
    sources: [{ name: "app", databases: [], storage: [storage] }],
  });
}

function write(path: string, text: string): void {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, text);
}

function modeOf(path: string): string {
  return (statSync(path).mode & 0o7777).toString(8);
}

/** Every folder with its mode, every file with its text. */
function look(folder: string): Record<string, string> {
  const names = readdirSync(folder, { recursive: true, encoding: "utf8" });
  const seen = names.map((name): [string, string] => {
    const path = join(folder, name);
    return [name, statSync(path).isDirectory() ? modeOf(path) : readFileSync(path, "utf8")];
  });
  return { "": modeOf(folder), ...Object.fromEntries(seen) };
}

function leftovers(folder: string): readonly string[] {
  return readdirSync(folder).filter(isRestoreLeftover);
}

// It waits for the end of this process, and may remove what this one may not any more.
const cleaning = 'cat; chmod -R u+rwX "$0"; rm -rf "$0"';
spawn("sh", ["-c", cleaning, directory], { stdio: ["pipe", "ignore", "ignore"], detached: true }).unref();

// What is loaded late would not be, where others may not read this checkout.
{
  await using manager = managerOf("first", join(directory, "first", "up"));
  write(join(directory, "first", "up", "f"), "1");
  await manager.backupStorage();
  await manager.restoreBackup({ backup: "latest" });
  await manager.undoRestore();
  await manager.discardPreviousState();
}
for (const place of [elsewhere, sticky]) {
  write(join(place, "up", "f"), "1");
  chmodSync(join(place, "up"), 0o755);
  if (isRoot && place === elsewhere) chownSync(place, 65534, 65534);
}
chmodSync(join(sticky, "up"), 0o777);
chmodSync(sticky, 0o1777);
chmodSync(directory, isRoot ? 0o1777 : 0o700);
if (isRoot) {
  process.setgroups?.([sharedGroup ?? 65533]);
  process.setgid?.(65534);
  process.setuid?.(65534);
}

test("restoreBackup() of a read-only folder of one's own, and its undo, give every folder its mode back", async () => {
  const up = join(directory, "top", "up");
  await using manager = managerOf("top", up);
  write(join(up, "f"), "then");
  chmodSync(up, 0o555);
  await manager.backupStorage();
  const then = look(up);
  chmodSync(up, 0o755);
  write(join(up, "f"), "since");
  chmodSync(up, 0o500);
  const since = look(up);
  await manager.restoreBackup({ backup: "latest" });
  assert.deepEqual(look(up), then);
  const [previous] = leftovers(dirname(up));
  assert.deepEqual(look(join(dirname(up), previous ?? "", "up")), since);
  await manager.undoRestore();
  assert.deepEqual(look(up), since);
  await manager.undoRestore();
  assert.deepEqual(look(up), then);
  assert.equal((await manager.discardPreviousState()).length, 1);
  assert.deepEqual(readdirSync(dirname(up)).filter(isRestoreLeftover), []);
});

test("restoreBackup() over read-only folders inside keeps one previous state, which can be discarded", async () => {
  const up = join(directory, "inner", "up");
  await using manager = managerOf("inner", up);
  write(join(up, "ro", "deep", "f"), "then");
  chmodSync(join(up, "ro", "deep"), 0o555);
  chmodSync(join(up, "ro"), 0o555);
  await manager.backupStorage();
  const then = look(up);
  for (let times = 1; times <= 3; times++) {
    const { warnings } = await manager.restoreBackup({ backup: "latest" });
    assert.deepEqual([warnings, leftovers(dirname(up)).length], [[], 1]);
  }
  assert.deepEqual(look(up), then);
  assert.equal((await manager.discardPreviousState()).length, 1);
  assert.deepEqual(leftovers(dirname(up)), []);
});

test("restoreBackup() of a part that lies in a read-only folder gives that its mode back, and so does the undo", async () => {
  const up = join(directory, "part", "up");
  await using manager = managerOf("part", up);
  write(join(up, "a", "b", "z"), "then");
  mkdirSync(join(up, "a", "b", "empty"), { mode: 0o500 });
  for (const folder of ["a/b", "a", ""]) chmodSync(join(up, folder), 0o555);
  await manager.backupStorage();
  const then = look(up);
  chmodSync(join(up, "a", "b", "z"), 0o600);
  writeFileSync(join(up, "a", "b", "z"), "since");
  const since = look(up);
  await manager.restoreBackup({ backup: "latest", include: ["up/a/b/z"] });
  assert.deepEqual(look(up), then);
  await manager.undoRestore();
  assert.deepEqual(look(up), since);
  await manager.restoreBackup({ backup: "latest", include: ["up/a"] });
  assert.deepEqual(look(up), then);
  assert.ok(leftovers(dirname(up)).every((name) => name.includes("-previous-")));
});

test("restoreBackup() to a folder of another user is refused before anything is done, and so is its plan", async () => {
  for (const place of [elsewhere, sticky]) {
    const up = join(place, "up");
    await using manager = managerOf(`of-${place === sticky ? "sticky" : "other"}`, up);
    const { backup } = await manager.backupStorage();
    const isRefused = (error: unknown): boolean =>
      isBackupError(error, "unsafe") && error.message.includes(`${up}: `) && error.hint !== undefined;
    if (!isRoot) {
      // Nobody else's can be made then: they are this user's own.
      await manager.restoreBackup({ backup: backup.id });
      continue;
    }
    await assert.rejects(manager.planRestore({ backup: backup.id }), isRefused);
    await assert.rejects(manager.restoreBackup({ backup: backup.id }), isRefused);
    assert.deepEqual(
      (await manager.listBackups()).map(({ id }) => id),
      [backup.id],
    );
    assert.deepEqual([leftovers(place), readFileSync(join(up, "f"), "utf8")], [[], "1"]);
  }
});

test("restoreBackup() gives files and databases back to a group that shares them with this user", async () => {
  const up = join(directory, "shared", "up");
  write(join(up, "f"), "then");
  const database = join(directory, "shared", "app.db");
  {
    using made = new DatabaseSync(database);
    made.exec("CREATE TABLE t(value)");
  }
  const paths = [up, join(up, "f"), database];
  for (const path of paths) chownSync(path, -1, sharedGroup ?? -1);
  chmodSync(up, 0o2770);
  const at = (part: string): string => join(directory, "shared", part);
  const source = { name: "app", databases: [database], storage: [up] };
  await using manager = createBackupManager({ vault: at("vault"), state: at("state"), sources: [source] });
  await manager.createFullBackup();
  const groups = (): readonly number[] => paths.map((path) => statSync(path).gid);
  const then = groups();
  const { warnings } = await manager.restoreBackup({ backup: "latest" });
  assert.deepEqual([groups(), modeOf(up), warnings], [then, "2770", []]);
});

test("realDisk.removeTree() removes folders that are closed to their owner, and follows no link out of them", async () => {
  const tree = join(directory, "closed");
  const outside = join(directory, "outside");
  write(join(outside, "kept"), "kept");
  for (const mode of [0o000, 0o100, 0o200, 0o400, 0o555]) write(join(tree, `${mode}`, "d", "f"), "1");
  symlinkSync(outside, join(tree, "365", "link"));
  chmodSync(outside, 0o555);
  for (const mode of [0o000, 0o100, 0o200, 0o400, 0o555]) {
    chmodSync(join(tree, `${mode}`, "d"), mode);
    chmodSync(join(tree, `${mode}`), mode);
  }
  chmodSync(tree, 0);
  await realDisk.removeTree(byteStringFromText(tree));
  assert.equal(existsSync(tree), false);
  assert.deepEqual([modeOf(outside), readdirSync(outside)], ["555", ["kept"]]);
  chmodSync(outside, 0o755);
});

test("realDisk.removeTree() is not stopped by what the system's own removal of the same tree is still taking away", async () => {
  const tree = join(directory, "at-work");
  for (let n = 0; n < 200; n++) write(join(tree, `${n}`, "d", "f"), "1");
  chmodSync(join(tree, "0"), 0o555);
  await realDisk.removeTree(byteStringFromText(tree));
  assert.equal(existsSync(tree), false);
});
