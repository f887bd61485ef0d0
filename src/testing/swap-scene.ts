/**
 * A restore with every kind of target at once, staged and ready to be swapped in.
 *
 * @module
 */

import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { byteStringFromText as bytes } from "../domain/byte-string.ts";
import type { RestoreJournal, SwapArea } from "../source/swap/restore-journal.ts";
import { RestoreJournalStore } from "../source/swap/restore-journal-store.ts";
import { isRestoreLeftover, previousName, stagingName } from "../source/swap/staging-names.ts";
import type { SwapDisk } from "../source/swap/swap-disk.ts";

/** The restore of every scene. */
export const id: string = "20240101_120000-abcdef";
const owner = { host: "h", bootId: "b", pid: 1, pidNamespace: "n", startedTicks: "1" };

/** A folder with a journal that is `staged`, and all that it was staged from. */
export interface Scene {
  readonly directory: string;
  readonly journal: RestoreJournal;
  readonly store: (disk: SwapDisk) => RestoreJournalStore;
}

/** Every kind of target at once: a database with sidecars, a folder, part of a folder, a place for children, one that is absent. */
export const oldState: Record<string, string> = {
  "app/app.db": "old database",
  "app/app.db-wal": "old wal",
  "app/app.db-shm": "old shm",
  "app/other.txt": "not a target",
  "uploads/a.jpg": "old a",
  "uploads/gone.jpg": "removed by the restore",
  "part/keep.txt": "stays",
  "part/deep/one.txt": "old one",
  "mount/x.txt": "old x",
  "mount/y.txt": "old y",
};

/** The same after the restore. */
export const newState: Record<string, string> = {
  "app/app.db": "new database",
  "app/other.txt": "not a target",
  "uploads/a.jpg": "new a",
  "uploads/sub/b.jpg": "new b",
  "part/keep.txt": "stays",
  "part/deep/one.txt": "new one",
  "part/deep/two.txt": "new two",
  "mount/x.txt": "new x",
  "mount/z/z.txt": "new z",
  "absent/deep/er/file.txt": "new file",
};

/** Makes files with these texts. */
export function write(directory: string, files: Record<string, string>): void {
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(directory, name)), { recursive: true });
    writeFileSync(join(directory, name), text);
  }
}

/** Every file below, but for what a restore keeps beside its targets. */
export function read(directory: string): Record<string, string> {
  const entries = readdirSync(directory, { recursive: true, withFileTypes: true });
  const paths = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  const names = paths.map((path) => path.slice(directory.length + 1));
  const ours = names.filter((name) => !name.split("/").some(isRestoreLeftover));
  return Object.fromEntries(ours.map((name) => [name, readFileSync(join(directory, name), "utf8")]));
}

/** What restores keep below. */
export function leftovers(directory: string): readonly string[] {
  return readdirSync(directory, { recursive: true, encoding: "utf8" }).filter((path) =>
    isRestoreLeftover(path.split("/").at(-1) ?? ""),
  );
}

/** Makes everything in memory. The caller removes `directory`. */
export function makeScene(): Scene {
  // Thousands of small files come and go; in memory they do not wait for a disk.
  const directory = mkdtempSync(join(existsSync("/dev/shm") ? "/dev/shm" : tmpdir(), "swap-"));
  const root = join(directory, "root");
  write(root, oldState);
  mkdirSync(join(directory, "state"), { mode: 0o700 });
  const area = (place: string, name: string, slots: SwapArea["slots"], target: string): SwapArea => ({
    place: bytes(join(root, place)),
    container: bytes(join(root, name === "" ? place : dirname(target), stagingName(bytes(name), id))),
    staging: bytes(join(root, name === "" ? place : dirname(target), stagingName(bytes(name), id))),
    previous: bytes(join(root, name === "" ? place : dirname(target), previousName(bytes(name), id))),
    slots,
    targets: [join(root, target)],
  });
  const slot = (name: string, arrives = true, database = false): SwapArea["slots"][number] => ({
    name: bytes(name),
    arrives,
    database,
  });
  const beforeMs = statSync(join(root, "mount")).mtimeMs;
  const attributes = { mode: 0o755, uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 };
  const areas: SwapArea[] = [
    area("app", "app.db", [slot("app.db", true, true)], "app/app.db"),
    area("", "uploads", [slot("uploads")], "uploads"),
    area("part", "part", [slot("deep/one.txt"), slot("deep/two.txt")], "part"),
    {
      ...area("mount", "", [slot("x.txt"), slot("y.txt", false), slot("z")], "mount"),
      attributes: {
        after: { ...attributes, mode: 0o750, mtimeMs: 1_000 },
        before: { ...attributes, mtimeMs: beforeMs },
      },
    },
    area("", "absent", [slot("absent")], "absent"),
  ];
  const staged = [
    { "app.db": "new database" },
    { "uploads/a.jpg": "new a", "uploads/sub/b.jpg": "new b" },
    { "deep/one.txt": "new one", "deep/two.txt": "new two" },
    { "x.txt": "new x", "z/z.txt": "new z" },
    { "absent/deep/er/file.txt": "new file" },
  ];
  for (const [index, files] of staged.entries()) write(areas[index]?.staging ?? "", files);
  const journal: RestoreJournal = {
    id,
    kind: "restore",
    owner,
    startedAtMs: 0,
    backupId: "db_backup_20240101_120000",
    state: "staged",
    areas,
    live: [],
  };
  return { directory, journal, store: (disk) => new RestoreJournalStore(join(directory, "state"), disk) };
}
