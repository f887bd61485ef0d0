import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import {
  copyFileSync,
  existsSync,
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { test } from "node:test";
import "../../testing/kept-captures.ts";
import "../../testing/cheap-scrypt.ts";
import { errorSchema } from "../../contract/error.ts";
import { type ResultName, resultSchemas } from "../../contract/results.ts";
import { CliSandbox, type CommandRun } from "../../testing/cli-sandbox.ts";
import { commandRegistry } from "../registry.ts";

/** The document of a run, once it is known to be what `docs/json.md` says, field by field. */
function documentOf(name: ResultName, run: CommandRun): Record<string, unknown> {
  const document: unknown = JSON.parse(run.out);
  assert.deepEqual(resultSchemas[name].parse(document), document);
  return document as Record<string, unknown>;
}

test("create, list, show, stats, verify, pin, unpin and rotate print documents that fit their schemas", async () => {
  using sandbox = new CliSandbox();
  const run = async (name: ResultName, rest = ""): Promise<Record<string, unknown>> => {
    const done = await sandbox.run(`${name} ${rest} --json`);
    const said = name === "create" ? /^warning: Made a new vault in \S+\n$/ : /^$/;
    assert.match(done.err, said, name);
    assert.equal(done.code, 0, `${name}: ${done.out}`);
    return documentOf(name, done);
  };
  const { outcomes } = (await run("create")) as { outcomes: { backup: { id: string } }[] };
  const { id } = outcomes[0]!.backup;
  assert.equal(((await run("list")) as { backups: unknown[] }).backups.length, 1);
  const shown = (await run("show", id)) as { backup: { id: string }; open_by_hand: string[] };
  assert.equal(shown.backup.id, id);
  assert.ok(shown.open_by_hand.some((line) => line.startsWith("tar tzf ")));
  assert.equal((await run("stats"))["total"], 1);
  assert.equal((await run("verify"))["ok"], true);
  assert.equal(((await run("pin", "latest")) as { backup: { pinned: boolean } }).backup.pinned, true);
  assert.equal(((await run("unpin", "latest")) as { backup: { pinned: boolean } }).backup.pinned, false);
  assert.deepEqual((await run("rotate", "--dry-run"))["removed"], []);
});

test("restore prints one shape for a plan, a restore, an undo and a discard", async () => {
  using sandbox = new CliSandbox();
  await sandbox.run("create");
  rmSync("uploads/notes.txt");
  sandbox.write("uploads/new.txt", "new");
  const json = async (rest: string): Promise<Record<string, unknown>> => {
    const done = await sandbox.run(`restore ${rest} --json`);
    assert.equal(done.code, 0, done.out + done.err);
    return documentOf("restore", done);
  };
  const planned = (await json("latest --dry-run")) as { plan: { added: number; removed: number } };
  assert.deepEqual([planned.plan.added, planned.plan.removed], [1, 1]);
  assert.ok(!existsSync("uploads/notes.txt"));
  const done = (await json("latest --yes")) as {
    plan: { removed: number };
    restored: { files_written: number };
  };
  assert.deepEqual([done.plan.removed, done.restored.files_written > 0], [1, true]);
  assert.deepEqual([existsSync("uploads/notes.txt"), existsSync("uploads/new.txt")], [true, false]);
  assert.notEqual((await json("--undo --yes"))["undone"], null);
  assert.deepEqual([existsSync("uploads/notes.txt"), existsSync("uploads/new.txt")], [false, true]);
  assert.notEqual((await json("--discard --yes"))["discarded"], null);
});

test("an empty path is a usage error and never the current folder", async () => {
  using sandbox = new CliSandbox();
  await sandbox.run("create");
  const before = readFileSync("uploads/notes.txt", "utf8");
  sandbox.write("uploads/notes.txt", "newer");
  for (const line of [
    "restore latest --yes --target ''",
    "create --database ''",
    "create --storage ''",
    "list --vault ''",
  ]) {
    const refused = await sandbox.run(line);
    assert.equal(refused.code, 2, line);
    assert.match(refused.err, /argument '' is invalid\. It is empty\./);
  }
  assert.notEqual(readFileSync("uploads/notes.txt", "utf8"), before);
});

test("restore --undo and --discard name what they are about, and change nothing with --dry-run", async () => {
  using sandbox = new CliSandbox();
  await sandbox.run("create");
  assert.match((await sandbox.run("restore --undo --dry-run")).out, /^Nothing is kept/);
  sandbox.write("uploads/notes.txt", "newer");
  await sandbox.run("restore latest --yes");
  for (const option of ["--undo", "--discard"]) {
    const dry = await sandbox.run(`restore ${option} --dry-run --yes`);
    assert.equal(dry.code, 0);
    assert.match(
      dry.out,
      /what the restore of full_backup_\S+ at .* replaced:\n {2}.*app\.db\n {2}.*uploads\n$/,
    );
    const asked = await sandbox.run(`restore ${option}`, { terminalWidth: 100, input: "n\n" });
    assert.equal(asked.code, 130);
    assert.match(asked.err, /uploads\n\n(?:Undo|Delete) it\? /);
  }
  assert.equal(readFileSync("uploads/notes.txt", "utf8"), "hello\n");
  assert.equal((await sandbox.run("restore --undo --yes")).code, 0);
  assert.equal(readFileSync("uploads/notes.txt", "utf8"), "newer");
});

test("progress is drawn on a terminal, and not on a dumb one", async () => {
  using sandbox = new CliSandbox();
  const drawn = await sandbox.run("create", { terminalWidth: 80 });
  assert.ok(drawn.err.includes("\x1b[K"));
  const dumb = await sandbox.run("create", { terminalWidth: 80, env: { TERM: "dumb" } });
  assert.ok(!`${dumb.out}${dumb.err}`.includes("\x1b"), dumb.err);
});

test("restore asks on a terminal with the figures of the plan, and does nothing without a yes", async () => {
  using sandbox = new CliSandbox();
  await sandbox.run("create");
  rmSync("uploads/notes.txt");
  for (const input of ["n\n", "\n", "yesterday\n", ""]) {
    const refused = await sandbox.run("restore latest", {
      terminalWidth: 100,
      input,
      env: { NO_COLOR: "1" },
    });
    assert.equal(refused.code, 130, input);
    assert.match(refused.err, /1 file added, 1 changed, 0 removed/);
    assert.match(refused.err, /first a safety backup \(full\) of .*app\.db.* is taken into /);
    assert.ok(!existsSync("uploads/notes.txt"));
  }
  const agreed = await sandbox.run("restore latest", { terminalWidth: 100, input: "y\n" });
  assert.equal(agreed.code, 0, agreed.err);
  assert.equal(readFileSync("uploads/notes.txt", "utf8"), "hello\n");
});

test("restore into another folder gives back the database and the files", async () => {
  using sandbox = new CliSandbox();
  await sandbox.run("create");
  const { code, err } = await sandbox.run("restore latest --target restored --yes");
  assert.equal(code, 0, err);
  assert.deepEqual(readdirSync("restored/uploads/2024"), readdirSync("uploads/2024"));
  using database = new DatabaseSync("restored/app.db", { readOnly: true });
  assert.deepEqual({ ...database.prepare("SELECT sum(x) AS sum FROM t").get() }, { sum: 6 });
});

test("a missing vault or backup ends with 10, as text and as a document", async () => {
  using sandbox = new CliSandbox();
  const lines = ["list", "stats", "verify", "show latest", "pin nothing", "rotate", "restore latest --yes"];
  for (const line of lines) {
    const text = await sandbox.run(line);
    assert.equal(text.code, 10, `${line}: ${text.err}`);
    assert.match(text.err, /^error: Cannot /);
    const json = await sandbox.run(`${line} --json`);
    assert.equal(json.code, 10);
    assert.equal(errorSchema.parse(JSON.parse(json.out)).error.kind, "not-found");
  }
  await sandbox.run("create");
  assert.equal((await sandbox.run("show full_backup_19990101_000000")).code, 10);
});

test("a backup that somebody should look at ends with 3, says so also with -q, and waits for confirm", async () => {
  using sandbox = new CliSandbox();
  assert.equal((await sandbox.run("create -q")).out, "");
  rmSync("uploads/2024", { recursive: true });
  const suspect = await sandbox.run("create -q");
  assert.equal(suspect.code, 3, suspect.err);
  assert.match(suspect.out, /suspect/);
  assert.equal((await sandbox.run("rotate")).code, 3);
  const confirmed = await sandbox.run("confirm latest --json");
  assert.equal(confirmed.code, 0, confirmed.out);
  documentOf("confirm", confirmed);
  assert.equal((await sandbox.run("rotate")).code, 0);
  assert.equal((await sandbox.run("confirm latest")).code, 2);
});

test("what keeps rotation from its work is said once, with -q and -v too", async () => {
  using sandbox = new CliSandbox();
  await sandbox.run("create");
  rmSync("uploads/2024", { recursive: true });
  for (const line of ["create", "create -q", "create -v"]) {
    const { out, err } = await sandbox.run(line);
    const held = `${out}${err}`.match(/No full backup of app is removed until/g) ?? [];
    assert.equal(held.length, 1, `${line}: ${out}${err}`);
  }
});

test("damage ends verify with 13 and names the file", async () => {
  using sandbox = new CliSandbox();
  await sandbox.run("create");
  const name = readdirSync("backups/storage").find((file) => file.endsWith(".tar.gz"))!;
  const bytes = readFileSync(join("backups/storage", name));
  bytes[bytes.length >> 1]! ^= 1;
  rmSync(join("backups/storage", name));
  sandbox.write(join("backups/storage", name), bytes);
  const { code, out } = await sandbox.run("verify");
  assert.equal(code, 13, out);
  assert.ok(out.includes(name), out);
  const json = await sandbox.run("verify --json");
  assert.equal(json.code, 13);
  assert.equal(documentOf("verify", json)["ok"], false);
});

test("a backup whose stored file is missing is damaged, to restore and show as to verify", async () => {
  for (const [folder, suffix] of [
    ["storage", ".contents.jsonl.gz"],
    ["storage", ".tar.gz"],
    ["database", ".db"],
  ] as const) {
    using sandbox = new CliSandbox();
    await sandbox.run("create");
    const name = readdirSync(`backups/${folder}`).find((file) => file.endsWith(suffix))!;
    rmSync(join("backups", folder, name));
    const only = `--only ${folder}`;
    for (const line of [
      "verify",
      "show latest",
      "restore latest --target x --yes",
      `restore latest --target x --yes ${only}`,
    ]) {
      const { code, out, err } = await sandbox.run(line);
      assert.equal(code, 13, `${line}\n${out}${err}`);
      assert.ok(`${out}${err}`.includes(`${name}`), line);
    }
  }
});

test("the commands that restore prints work when pasted, also without a configuration", async () => {
  using sandbox = new CliSandbox();
  rmSync("vertex-backup.yaml");
  const place = "--vault 'my vault' --database app.db --storage uploads";
  await sandbox.run(`create ${place}`);
  sandbox.write("uploads/notes.txt", "changed\n");
  const pasted = (out: string, verb: string): string =>
    out
      .split("\n")
      .find((line) => line.startsWith(`${verb} it`))!
      .replace(/^.*: vertex-backup /, "");
  const restored = await sandbox.run(`restore latest --yes ${place}`);
  assert.equal(readFileSync("uploads/notes.txt", "utf8"), "hello\n", restored.err);
  const undo = pasted(restored.out, "Bring");
  assert.ok(undo.includes("--vault 'my vault'"), undo);
  const undone = await sandbox.run(`${undo} --yes`);
  assert.equal(undone.code, 0, undone.err);
  assert.equal(readFileSync("uploads/notes.txt", "utf8"), "changed\n");
  const discard = pasted(undone.out, "Delete");
  assert.ok(discard.includes("--vault 'my vault'"), discard);
  assert.equal((await sandbox.run(`${discard} --yes`)).code, 0);
});

test("an archive whose files lie in no folder is restored below the archive's name, and verified", async () => {
  using sandbox = new CliSandbox();
  await sandbox.run("create");
  mkdirSync("loose");
  sandbox.write("loose/notes", "top\n");
  sandbox.write("loose/sub/deep.txt", "deep\n");
  linkSync("loose/notes", "loose/same");
  const names = ["notes", "same", "sub"];
  execFileSync("tar", ["-czf", "notes.tar.gz", "-C", "loose", ...names]);
  const original = "backups/storage/storage_backup_20200101_120000.tar.gz";
  copyFileSync("notes.tar.gz", original);
  const { code, err } = await sandbox.run("restore notes.tar.gz --target back --yes");
  assert.equal(code, 0, err);
  assert.equal(readFileSync("back/notes/notes", "utf8"), "top\n");
  assert.equal(readFileSync("back/notes/same", "utf8"), "top\n");
  assert.equal(readFileSync("back/sub/deep.txt", "utf8"), "deep\n");
  const verified = await sandbox.run("verify storage_backup_20200101_120000");
  assert.equal(verified.code, 0, verified.out);
  assert.equal((await sandbox.run(`restore ${original} --target again --yes`)).code, 0);
  assert.equal(readFileSync("again/storage_backup_20200101_120000/same", "utf8"), "top\n");
});

test("several sources are all backed up; the one that fails is named and decides the exit code", async () => {
  using sandbox = new CliSandbox();
  sandbox.write(
    "vertex-backup.yaml",
    "sources:\n  - name: one\n    databases: [app.db]\n  - name: two\n    storage: [uploads]\n",
  );
  const both = await sandbox.run("create --json");
  assert.equal(both.code, 0, both.out);
  const { outcomes } = documentOf("create", both) as { outcomes: { source: string }[] };
  assert.deepEqual(
    outcomes.map((outcome) => outcome.source),
    ["one", "two"],
  );
  sandbox.write(
    "vertex-backup.yaml",
    "sources:\n  - name: one\n    databases: [app.db]\n    storage: [uploads]\n  - name: two\n    storage: [uploads]\n",
  );
  const full = await sandbox.run("create --type full --json");
  assert.notEqual(full.code, 0);
  const partly = documentOf("create", full) as { outcomes: { backup: unknown; error: unknown }[] };
  assert.deepEqual(
    partly.outcomes.map((outcome) => [outcome.backup !== null, outcome.error !== null]),
    [
      [true, false],
      [false, true],
    ],
  );
  assert.match((await sandbox.run("create --type full")).out, /two: Cannot/);
});

test("create of one type leaves out the sources that have nothing of it, and says so", async () => {
  using sandbox = new CliSandbox();
  const [one, two] = ["  - name: one\n    databases: [app.db]\n", "  - name: two\n    storage: [uploads]\n"];
  sandbox.write("vertex-backup.yaml", `sources:\n${one}${two}`);
  const env = { BACKUP_TYPE: "storage" };
  for (const [made, left, run] of [
    ["one", /two is left out: it has no databases/, await sandbox.run("create --type database --json")],
    ["two", /one is left out: it has no folders/, await sandbox.run("create --json", { env })],
  ] as const) {
    assert.equal(run.code, 0, run.out);
    const { outcomes } = documentOf("create", run) as { outcomes: { source: string }[] };
    assert.deepEqual(
      outcomes.map(({ source }) => source),
      [made],
    );
    assert.match(run.err, left);
  }
  assert.equal((await sandbox.run("create --type database --source two")).code, 2);
  assert.equal((await sandbox.run("create --type full")).code, 2);

  sandbox.write("vertex-backup.yaml", `sources:\n${one}${one.replace("one", "three")}`);
  const none = await sandbox.run("create --type storage");
  assert.equal(none.code, 2);
  assert.match(none.err, /no source has folders/);
});

test("options of the command line reach the folders they are meant for", async () => {
  using sandbox = new CliSandbox();
  await sandbox.run(
    "create --storage uploads --exclude '*.txt' --tag one --tag two --source shop --no-rotate",
  );
  const { backup } = documentOf("show", await sandbox.run("show latest --json")) as {
    backup: { source: string; type: string; tags: string[]; counts: { files: number } };
  };
  assert.deepEqual([backup.source, backup.type, backup.tags], ["shop", "storage", ["one", "two"]]);
  assert.equal(backup.counts.files, 8);
  assert.match((await sandbox.run("list --tag two")).out, /1 backup,/);
  assert.match((await sandbox.run("list --tag three")).out, /^No backups in /);
  assert.match((await sandbox.run("list --until 2020-01-01")).out, /^No backups in /);
});

test("a file of the Python original is listed, restorable by its path, and never rotated", async () => {
  using sandbox = new CliSandbox();
  await sandbox.run("create --type database");
  const made = readdirSync("backups/database").find((file) => file.endsWith(".db"))!;
  const original = "backups/database/db_backup_20200101_120000.db";
  copyFileSync(join("backups/database", made), original);
  assert.match((await sandbox.run("list")).out, /db_backup_20200101_120000 .*unverified/);
  assert.equal((await sandbox.run("rotate --keep-last 1")).code, 0);
  const { code, err } = await sandbox.run(`restore ${original} --target old --yes`);
  assert.equal(code, 0, err);
  assert.deepEqual(readdirSync("old").filter((name) => name.endsWith(".db")).length, 1);
});

/** Makes what examples take for granted: backups, also a foreign one. */
async function prepareExamples(sandbox: CliSandbox): Promise<void> {
  await sandbox.run("create --type database");
  const made = readdirSync("backups/database").find((file) => file.endsWith(".db"))!;
  copyFileSync(join("backups/database", made), "backups/database/db_backup_20240101_120000.db");
  await sandbox.run("create");
  for (const name of ["password", "second", "third"]) {
    writeFileSync(name, `${name} geheim\n`, { mode: 0o600 });
  }
}

test("every example that help shows runs as it stands", async () => {
  let count = 0;
  using sandbox = new CliSandbox();
  await prepareExamples(sandbox);
  // The demo has a test of its own.
  for (const entry of commandRegistry.filter(({ name }) => name !== "demo")) {
    if (entry.name === "confirm") {
      rmSync("uploads/2024", { recursive: true });
      await sandbox.run("create");
    }
    for (const { line } of (await entry.load()).examples) {
      const { code, out, err } = await sandbox.run(line.replace(/^vertex-backup /, ""));
      assert.equal(code, 0, `${line}\n${out}${err}`);
      count++;
    }
  }
  assert.ok(count > 20);
});
