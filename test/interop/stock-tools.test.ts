import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import {
  chmodSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { after, before, test } from "node:test";
import { incompressible } from "../../bench/data.ts";
import { createBackupManager } from "../../src/app/create-backup-manager.ts";
import type { Backup } from "../../src/domain/backup.ts";

const work = mkdtempSync(join(tmpdir(), "vertex-backup-interop-"));
const uploads = join(work, "uploads");
const vault = join(work, "backups");
let backup: Backup;

function run(file: string, ...args: string[]): string {
  return execFileSync(file, args, { encoding: "utf8", cwd: work });
}

function stored(role: "database" | "archive"): string {
  const name = backup.files.find((file) => file.role === role)?.name;
  assert.ok(name !== undefined);
  return join(vault, name);
}

before(async () => {
  mkdirSync(join(uploads, "deep/er"), { recursive: true });
  writeFileSync(join(uploads, "photo.jpg"), incompressible(3 << 20, 1));
  writeFileSync(join(uploads, "deep/er/notes.txt"), "words ".repeat(400_000));
  writeFileSync(join(uploads, "zeros.img"), Buffer.alloc(5 << 20));
  writeFileSync(join(uploads, "empty"), "");
  writeFileSync(join(uploads, `${"long-name-".repeat(20)}.txt`), "long");
  writeFileSync(join(uploads, "имя файла.txt"), "UTF-8");
  writeFileSync(Buffer.concat([Buffer.from(`${uploads}/not-utf8-`), Buffer.from([0xff, 0xfe])]), "bytes");
  linkSync(join(uploads, "photo.jpg"), join(uploads, "same-photo.jpg"));
  symlinkSync("deep/er/notes.txt", join(uploads, "shortcut"));
  chmodSync(join(uploads, "empty"), 0o640);
  utimesSync(join(uploads, "photo.jpg"), 1_600_000_000.25, 1_600_000_000.125);
  const database = new DatabaseSync(join(work, "app.db"));
  database.exec("PRAGMA journal_mode=wal; CREATE TABLE t (x); INSERT INTO t VALUES (42)");
  await using manager = createBackupManager({
    vault,
    state: join(work, "state"),
    sources: [{ name: "app", databases: [join(work, "app.db")], storage: [uploads] }],
  });
  ({ backup } = await manager.createBackup());
  database.close();
});

after(() => rmSync(work, { recursive: true, force: true }));

for (const [tool, extract] of [
  ["GNU tar", (archive: string, to: string) => run("tar", "xpzf", archive, "-C", to)],
  ["bsdtar", (archive: string, to: string) => run("bsdtar", "-xpzf", archive, "-C", to)],
  ["Python's tarfile", (archive: string, to: string) => run("python3", "-m", "tarfile", "-e", archive, to)],
] as const) {
  test(`${tool} extracts an archive to exactly the files that were backed up`, () => {
    const target = join(work, tool.replaceAll(/\W/g, ""));
    mkdirSync(target);
    extract(stored("archive"), target);
    run("diff", "--recursive", "--no-dereference", uploads, join(target, basename(uploads)));
  });
}

test("GNU tar restores modes, microsecond times, symbolic and hard links", () => {
  const target = join(work, "attributes");
  mkdirSync(target);
  run("tar", "xpzf", stored("archive"), "-C", target);
  const describe = (folder: string): string =>
    run(
      "bash",
      "-c",
      `cd "${folder}" && find . -printf '%P %M %TY-%Tm-%Td %TH:%TM:%TS %n %l\\n' | LC_ALL=C sort | cut -c1-300`,
    );
  const short = (text: string): string => text.replaceAll(/(\.\d{6})\d+/g, "$1");
  assert.equal(short(describe(join(target, "uploads"))), short(describe(uploads)));
});

test("the sqlite3 shell opens a database image of a WAL database read-only, without leaving files", () => {
  const image = stored("database");
  chmodSync(image, 0o400);
  assert.equal(
    run("sqlite3", "-readonly", image, "SELECT x FROM t; PRAGMA journal_mode").trim(),
    "42\ndelete",
  );
  assert.equal(run("sqlite3", "-readonly", image, "PRAGMA integrity_check").trim(), "ok");
  assert.throws(() => readFileSync(`${image}-wal`));
});

test("sha256sum agrees with the metadata of every file", () => {
  for (const file of backup.files.filter((entry) => entry.sha256 !== undefined)) {
    assert.equal(run("sha256sum", join(vault, file.name)).split(" ")[0], file.sha256, file.name);
  }
  assert.ok(backup.files.length >= 3);
});
