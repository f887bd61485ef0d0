import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { chmodSync, existsSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { after, before, test } from "node:test";
import "../../testing/kept-captures.ts";
import { errorSchema } from "../../contract/error.ts";
import { type ResultName, resultSchemas } from "../../contract/results.ts";
import { CliSandbox, type CommandRun } from "../../testing/cli-sandbox.ts";

/** Two full backups between which something changed. */
let sandbox: CliSandbox;

before(async () => {
  sandbox = new CliSandbox();
  sandbox.write("uploads/evil\x1b]0;owned\x07.txt", "x");
  sandbox.write("uploads/evil\u202etxt.exe", "x");
  // Whatever the umask is.
  chmodSync("uploads/notes.txt", 0o644);
  chmodSync("uploads/2024", 0o755);
  await sandbox.run("create --tag first");
  rmSync("uploads/2024/photo-0.jpg");
  sandbox.write("uploads/notes.txt", "hello again\n");
  sandbox.write("uploads/new.txt", "new\n");
  await sandbox.run("create --tag second");
});

after(() => sandbox[Symbol.dispose]());

/** The document of a run, once it is known to be what `docs/json.md` says, field by field. */
function documentOf(name: ResultName, run: CommandRun): Record<string, unknown> {
  const document: unknown = JSON.parse(run.out);
  assert.deepEqual(resultSchemas[name].parse(document), document);
  return document as Record<string, unknown>;
}

async function idOf(tag: string): Promise<string> {
  const { backups } = JSON.parse((await sandbox.run(`list --tag ${tag} --json`)).out) as {
    backups: { id: string }[];
  };
  return backups[0]!.id;
}

test("ls, find and compare print documents that fit their schemas", async () => {
  const [first, second] = [await idOf("first"), await idOf("second")];
  const listed = documentOf("ls", await sandbox.run("ls latest --recursive --json"));
  assert.equal((listed["entries"] as unknown[]).length, 14);
  const found = documentOf("find", await sandbox.run("find '*.jpg' --json"));
  assert.equal((found["found"] as unknown[]).length, 15);
  const compared = documentOf("compare", await sandbox.run(`compare ${first} ${second} --json`)) as {
    differences: { difference: string; path: string }[];
    added: unknown;
    removed: unknown;
  };
  assert.deepEqual(
    compared.differences.map(({ difference, path }) => `${difference} ${path}`),
    ["removed uploads/2024/photo-0.jpg", "added uploads/new.txt", "changed uploads/notes.txt"],
  );
  assert.deepEqual(
    [compared.added, compared.removed],
    [
      { count: 1, bytes: 4 },
      { count: 1, bytes: 5000 },
    ],
  );
});

test("ls shows modes, owners, sizes, times and paths, and no name a terminal would act on", async () => {
  const { out } = await sandbox.run("ls latest uploads");
  const line = String.raw`^-rw-r--r--  \d+:\d+\s+12 B  \d{4}-\d\d-\d\d \d\d:\d\d:\d\d  uploads/notes\.txt$`;
  assert.match(out, new RegExp(line, "m"));
  assert.match(out, /^drwxr-xr-x .* - {2}.* uploads\/2024\/$/m);
  assert.match(out, /evil\\x1b\]0;owned\\x07\.txt/);
  assert.match(out, /evil\\u\{202e\}txt\.exe/);
  assert.match(out, /\n5 entries, \d+ B\n$/);
  assert.match((await sandbox.run("ls latest")).out, /app\.db \(database\)\n.* uploads\/\n/);
});

test("ls and dump of what is not there end with 10", async () => {
  for (const line of [
    "ls latest nothing",
    "dump latest uploads/nothing",
    "ls nothing",
    "compare latest nothing",
  ]) {
    const { code, err, out } = await sandbox.run(line);
    assert.equal(code, 10, line);
    assert.match(err, /^error: Cannot find /);
    assert.equal(out, "");
    const json = await sandbox.run(`${line} --json`);
    assert.equal(json.code, line.startsWith("dump") ? 2 : 10);
    errorSchema.parse(JSON.parse(json.out));
  }
});

test("find shows backup, size, time and path, and says when there is nothing", async () => {
  const [first, second] = [await idOf("first"), await idOf("second")];
  const { out } = await sandbox.run("find notes.txt");
  assert.match(
    out,
    new RegExp(`^${second} +12 B  .*  uploads/notes.txt\n${first} +6 B  .*\n2 matches in 2 backups`),
  );
  assert.match((await sandbox.run("find notes.txt --newest")).out, /^.*12 B.*\n1 match in 1 backup\n$/);
  const nothing = await sandbox.run("find nothing");
  assert.deepEqual([nothing.code, nothing.out], [0, "Nothing found\n"]);
  assert.equal((await sandbox.run("find '['")).code, 2);
  assert.match(
    (await sandbox.run(`find '*' --backup ${first} --kind database`)).out,
    /app\.db \(database\)\n1 match/,
  );
});

test("dump prints the bytes of a file and nothing else", async () => {
  const { code, out } = await sandbox.run("dump latest uploads/notes.txt");
  assert.deepEqual([code, out], [0, "hello again\n"]);
  const [first] = [await idOf("first")];
  assert.equal((await sandbox.run(`dump ${first} uploads/notes.txt`)).out, "hello\n");
  const photo = await sandbox.run("dump latest uploads/2024/photo-1.jpg");
  assert.ok(Buffer.from(photo.out, "latin1").equals(readFileSync("uploads/2024/photo-1.jpg")));
});

test("dump writes nothing to a terminal that it would act on, unless forced", async () => {
  const terminal = { terminalWidth: 100, env: { NO_COLOR: "1" } };
  assert.equal((await sandbox.run("dump latest uploads/notes.txt", terminal)).out, "hello again\n");
  for (const path of ["uploads/2024/photo-1.jpg", "app.db", "uploads"]) {
    const refused = await sandbox.run(`dump latest ${path}`, terminal);
    assert.deepEqual([refused.code, refused.out], [1, ""], path);
    assert.match(refused.err, /Cannot write .* to a terminal/);
    assert.notEqual((await sandbox.run(`dump latest ${path} --force`, terminal)).out, "");
  }
  sandbox.write("late/escape.txt", `${"plain text\n".repeat(200_000)}\x1b[2J`);
  await sandbox.run("create --storage late --source late --vault other");
  const late = await sandbox.run("dump latest late/escape.txt --vault other", terminal);
  assert.equal(late.code, 1);
  assert.ok(!late.out.includes("\x1b"));
});

test("dump --output writes a private file that is there whole or not at all, and replaces one only when forced", async () => {
  const { code, out, err } = await sandbox.run("dump latest uploads --output uploads.tar --json");
  assert.equal(code, 0, err + out);
  const document = documentOf("dump", { code, out, err });
  const status = statSync("uploads.tar");
  assert.deepEqual([status.mode & 0o777, status.size], [0o600, document["bytes_written"]]);
  assert.equal(
    execFileSync("tar", ["-xOf", "uploads.tar", "uploads/new.txt"], { encoding: "utf8" }),
    "new\n",
  );
  writeFileSync("uploads.tar", "mine");
  assert.equal((await sandbox.run("dump latest uploads --output uploads.tar")).code, 1);
  assert.equal(readFileSync("uploads.tar", "utf8"), "mine");
  assert.equal((await sandbox.run("dump latest uploads --output uploads.tar --force")).code, 0);
  assert.equal(statSync("uploads.tar").size, status.size);
  assert.equal((await sandbox.run("dump latest uploads --json")).code, 2);
  assert.equal((await sandbox.run("dump latest uploads --output nowhere/x")).code, 1);
  assert.deepEqual(
    readdirSync(".").filter((name) => name.endsWith(".part")),
    [],
  );
});

test("dump ends with 13 where the bytes are not what was stored, and leaves no file", async () => {
  await sandbox.run("create --vault damaged");
  const name = readdirSync("damaged/database").find((file) => file.endsWith(".db"))!;
  const bytes = readFileSync(`damaged/database/${name}`);
  bytes[bytes.length - 1]! ^= 1;
  rmSync(`damaged/database/${name}`);
  writeFileSync(`damaged/database/${name}`, bytes);
  const refused = await sandbox.run("dump latest app.db --vault damaged --output out.db");
  assert.equal(refused.code, 13, refused.err);
  assert.ok(!existsSync("out.db"));
  assert.equal((await sandbox.run("dump latest app.db --vault damaged")).code, 13);
});

test("compare marks each difference, adds up, and ends with 0", async () => {
  const [first, second] = [await idOf("first"), await idOf("second")];
  const { code, out } = await sandbox.run(`compare ${first} ${second}`);
  assert.equal(code, 0);
  assert.match(out, /^- uploads\/2024\/photo-0\.jpg 5\.0 KB$/m);
  assert.match(out, /^\+ uploads\/new\.txt 4 B$/m);
  assert.match(out, /^M uploads\/notes\.txt 6 B -> 12 B, time /m);
  assert.match(
    out,
    /\nadded 1 \(4 B\), removed 1 \(5\.0 KB\), changed 1 \(12 B\), 0 entries with other attributes only\n$/,
  );
  assert.equal((await sandbox.run(`compare ${second} ${second}`)).out, "No difference\n");
});

test("copy copies what is not there, says what it did, and compare finds no difference to the copy", async () => {
  const dry = await sandbox.run("copy --to fresh --dry-run");
  assert.equal(dry.code, 10);
  const copied = await sandbox.run("copy --to offsite");
  assert.equal(copied.code, 0, copied.err);
  assert.match(copied.out, /^full_backup_\S+ -> full_backup_\S+ \(.*\)\n/);
  assert.match(copied.out, /\n2 backups \(.*\) copied to \S+\/offsite\n$/);
  const again = await sandbox.run("copy --to offsite --json");
  const { outcomes } = documentOf("copy", again) as {
    outcomes: { outcome: string; copy: { tags: string[] } }[];
  };
  assert.deepEqual(
    outcomes.map(({ outcome, copy }) => [outcome, ...copy.tags]),
    [
      ["there", "first"],
      ["there", "second"],
    ],
  );
  assert.match((await sandbox.run("copy --to offsite --dry-run")).out, /0 backups \(0 B\) would be copied/);
  const compared = await sandbox.run("compare latest latest --other-vault offsite");
  assert.deepEqual([compared.code, compared.out], [0, "No difference\n"], compared.err);
  assert.equal((await sandbox.run("verify --all --vault offsite")).code, 0);
  const shown = await sandbox.run("show latest --vault offsite");
  assert.match(shown.out, /copied from {2,}full_backup_\S+ in .*backups\n/);
  assert.equal((await sandbox.run("copy")).code, 2);
  assert.equal((await sandbox.run("copy --to backups")).code, 2);
});

test("copy ends with 13 where a backup is damaged, and copies the others", async () => {
  await sandbox.run("create --vault mixed");
  const name = readdirSync("mixed/storage").find((file) => file.endsWith(".tar.gz"))!;
  const bytes = readFileSync(`mixed/storage/${name}`);
  bytes[bytes.length >> 1]! ^= 1;
  rmSync(`mixed/storage/${name}`);
  writeFileSync(`mixed/storage/${name}`, bytes);
  await sandbox.run("create --type database --vault mixed");
  const { code, out } = await sandbox.run("copy --to copies --vault mixed -q");
  assert.equal(code, 13, out);
  assert.match(out, /1 backup .* copied to \S+\/copies, 1 failed/);
  const json = await sandbox.run("copy --to copies --vault mixed --json");
  assert.equal(json.code, 13);
  documentOf("copy", json);
});

test("find ends with 3 where a backup could not be searched, and finds what the others have", async () => {
  using own = new CliSandbox();
  await own.run("create --type storage");
  const [contents] = readdirSync("backups/storage").filter((name) => name.includes("contents"));
  const path = `backups/storage/${contents}`;
  rmSync(path);
  own.write("uploads/notes.txt", "hello again\n");
  await own.run("create --type storage");
  assert.equal((await own.run("find notes.txt --backup latest")).code, 0);
  own.write(path, "no contents");
  const { code, out, err } = await own.run("find notes.txt");
  assert.match(err, /could not be searched/);
  assert.match(out, /1 match in 1 backup/);
  assert.equal(code, 3);
});
