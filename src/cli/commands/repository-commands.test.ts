import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import "../../testing/kept-captures.ts";
import { errorSchema } from "../../contract/error.ts";
import { type ResultName, resultSchemas } from "../../contract/results.ts";
import { systemClock } from "../../domain/clock.ts";
import { openLocalStorage } from "../../storage/local-storage.ts";
import { readThisMachine } from "../../storage/this-machine.ts";
import "../../testing/cheap-scrypt.ts";
import { CliSandbox, type CommandRun } from "../../testing/cli-sandbox.ts";
import { cheapCost } from "../../testing/test-repository.ts";
import { signal } from "../../testing/vault-probe.ts";
import { createRepository } from "../../vault/repository/open-repository.ts";

/** The document of a run, once it is known to be what `docs/json.md` says, field by field. */
function documentOf(name: ResultName, run: CommandRun): Record<string, unknown> {
  const document: unknown = JSON.parse(run.out);
  assert.deepEqual(resultSchemas[name].parse(document), document);
  return document as Record<string, unknown>;
}

/** A sandbox with a file `password` and an empty repository `repo`, whose key is cheap to open. */
async function withRepository(): Promise<CliSandbox> {
  const sandbox = new CliSandbox();
  for (const [name, password] of [
    ["password", "geheim"],
    ["second", "zwei"],
  ] as const) {
    writeFileSync(name, `${password}\n`, { mode: 0o600 });
  }
  const storage = await openLocalStorage("repo", { create: true, machine: readThisMachine() });
  const [machine, clock, toolVersion] = [readThisMachine(), systemClock, "test"];
  const password = "geheim";
  await createRepository({ storage, password, machine, clock, toolVersion, keyCost: cheapCost }, signal);
  return sandbox;
}

const there = "--vault repo --password-file password";

test("init says what it made and what to do next, and the commands it prints work when pasted", async () => {
  using sandbox = new CliSandbox();
  sandbox.write("my password", "geheim\n");
  const place = "--vault 'my repo' --password-file 'my password'";
  const { code, out } = await sandbox.run(`init ${place} --yes`);
  assert.equal(code, 0);
  assert.match(
    out,
    /^Made a repository in .*my repo\n {2}repository {2}[0-9a-f]{64}\n {2}key {9}[0-9a-f]{64}\n/,
  );
  const pasted = Array.from(out.matchAll(/^ {2}vertex-backup (.*)$/gm), ([, line]) => line!);
  assert.deepEqual(pasted, [`recovery-kit --output recovery-kit.txt ${place}`, `create ${place}`]);
  assert.equal((await sandbox.run(pasted[0]!)).code, 0);
  assert.equal(statSync("recovery-kit.txt").mode & 0o777, 0o600);
  assert.equal(statSync("my repo").mode & 0o777, 0o700);
});

test("init makes the format asked for, else the configured one, else a repository", async () => {
  using sandbox = new CliSandbox();
  const formatOf = async (line: string): Promise<unknown> => {
    const run = await sandbox.run(`init ${line} --yes --json`, { env: { VERTEX_BACKUP_PASSWORD: "geheim" } });
    assert.equal(run.code, 0, run.out);
    return documentOf("init", run)["format"];
  };
  assert.equal(await formatOf("--vault a"), "repository");
  assert.equal(await formatOf("--vault b --format archive"), "archive");
  sandbox.write("vertex-backup.yaml", "vault: c\nformat: archive\n");
  assert.equal(await formatOf(""), "archive");
  assert.equal(await formatOf("--vault d --format repository"), "repository");
  assert.deepEqual([existsSync("b/.vertex/vault.json"), existsSync("d/config")], [true, true]);
  const warned = await sandbox.run("init --vault e --format archive --password-file x --yes");
  assert.deepEqual([warned.code, /not encrypted/.test(warned.err)], [0, true]);
});

test("init asks on a terminal, the password twice, and makes nothing without a yes or with two passwords", async () => {
  using sandbox = new CliSandbox();
  for (const input of ["n\n", "y\none\ntwo\n", "y\n\n\n", ""]) {
    const { code } = await sandbox.run("init --vault repo", { terminalWidth: 80, input });
    assert.notEqual(code, 0, input);
    assert.equal(existsSync("repo"), false, input);
  }
  const silent = await sandbox.run("init --vault repo");
  assert.deepEqual([silent.code, existsSync("repo")], [2, false]);
  assert.equal((await sandbox.run("init --vault repo --yes")).code, 2);
});

test("a password is asked for on a terminal, and a wrong one may be typed again twice", async () => {
  using sandbox = await withRepository();
  const list = await sandbox.run("list --vault repo", { terminalWidth: 80, input: "a\nb\ngeheim\n" });
  assert.equal(list.code, 0, list.err);
  assert.match(list.err, /Password of .*repo: \nWrong password\.\nPassword of /);
  const wrong = await sandbox.run("list --vault repo", { terminalWidth: 80, input: "a\nb\nc\ngeheim\n" });
  assert.equal(wrong.code, 12);
});

test("init makes no vault where there is one, where other things are, and where one has been", async () => {
  using sandbox = await withRepository();
  const again = await sandbox.run(`init ${there} --yes`);
  assert.deepEqual([again.code, /a repository is there already/.test(again.err)], [1, true]);
  const asking = await sandbox.run("init --vault repo", { terminalWidth: 80, input: "y\nx\nx\n" });
  assert.deepEqual([asking.code, /already/.test(asking.err)], [1, true]);
  assert.doesNotMatch(asking.err, /Make it\?|Password/, "nothing is asked where nothing can be made");
  await sandbox.run("create");
  const archive = await sandbox.run("init --vault backups --password-file password --yes");
  assert.deepEqual([archive.code, /an archive vault is there already/.test(archive.err)], [1, true]);
  for (const format of ["archive", "repository"]) {
    const other = await sandbox.run(`init --vault uploads --format ${format} --password-file password --yes`);
    assert.equal(other.code, 2, other.err);
  }
  assert.deepEqual(
    readdirSync("uploads").filter((name) => name === "config" || name === "keys"),
    [],
  );
  // As an unmounted disk leaves it.
  const state = { env: { VERTEX_BACKUP_STATE: join(sandbox.directory, "other state") } };
  const first = await sandbox.run("init --vault new --password-file password --yes", state);
  assert.equal(first.code, 0, first.err);
  renameSync("new", "elsewhere");
  mkdirSync("new");
  const gone = await sandbox.run("init --vault new --password-file password --yes", state);
  assert.deepEqual([gone.code, /there was one, and now there is none/.test(gone.err)], [1, true]);
  assert.deepEqual(readdirSync("new"), []);
});

test("a first create makes the configured format, and refuses to guess where a password is given", async () => {
  using sandbox = await withRepository();
  const unclear = await sandbox.run("create --vault new --password-file password");
  assert.deepEqual([unclear.code, existsSync("new")], [2, false]);
  assert.match(unclear.err, /an archive vault is not encrypted/);
  sandbox.write(
    "vertex-backup.yaml",
    "vault: new\nformat: repository\nsources: [{name: app, storage: [uploads]}]\n",
  );
  const without = await sandbox.run("create");
  assert.deepEqual([without.code, existsSync("new")], [2, false]);
  assert.match(without.err, /no password is given/);
  // What is configured to be encrypted, and is not, is said each time.
  await sandbox.run("init --format archive --yes");
  const plain = await sandbox.run("create");
  assert.deepEqual([plain.code, /of the format archive, and not repository/.test(plain.err)], [0, true]);
});

test("a vault's format is recognised, and a stray config or a missing one is no repository", async () => {
  using sandbox = await withRepository();
  assert.equal((await sandbox.run(`list ${there}`)).code, 0);
  for (const env of [
    { RESTIC_REPOSITORY: "repo", RESTIC_PASSWORD: "geheim" },
    { RESTIC_REPOSITORY: "local:repo", RESTIC_PASSWORD_COMMAND: "cat password" },
    { BACKUP_DIR: "repo", VERTEX_BACKUP_PASSWORD_FILE: "password" },
  ]) {
    const run = await sandbox.run("list", { env });
    assert.equal(run.code, 0, run.err);
    assert.match(run.out, /^No backups in .*repo\n$/);
  }
  mkdirSync("stray");
  sandbox.write("stray/config", "of some app");
  assert.equal((await sandbox.run("list --vault stray")).code, 2);
  mkdirSync("repo/data/00", { recursive: true });
  sandbox.write("repo/data/00/x", "");
  renameSync("repo/config", "config");
  const lost = await sandbox.run(`list ${there}`);
  assert.deepEqual([lost.code, /its file config is missing/.test(lost.err)], [13, true]);
});

test("a wrong password ends with 12, none with 2, and neither is repeated", async () => {
  using sandbox = await withRepository();
  const wrong = await sandbox.run("list --vault repo --password-file second --json");
  assert.equal(wrong.code, 12);
  assert.equal(errorSchema.parse(JSON.parse(wrong.out)).error.kind, "wrong-password");
  const none = await sandbox.run("list --vault repo");
  assert.equal(none.code, 2);
  assert.match(none.err, /--password-file/);
});

test("key names its keys, keeps the one in use, and refuses what makes no sense", async () => {
  using sandbox = await withRepository();
  const list = await sandbox.run(`key list ${there}`);
  assert.match(list.out, /^ +ID +USER +HOST +CREATED\n\* .*\n\* opened by.*\n1 key: /);
  const id = /^\* +([0-9a-f]{8})/m.exec(list.out)?.[1] ?? "";
  assert.equal((await sandbox.run(`key remove ${id} ${there}`)).code, 1);
  assert.equal((await sandbox.run(`key remove ffffffffff ${there}`)).code, 10);
  const json = await sandbox.run(`key list ${there} --json`);
  assert.equal((documentOf("key", json)["keys"] as unknown[]).length, 1);
  for (const line of [
    "key remove",
    "key list x",
    "key list --new-password-file x",
    "key add --new-password-file a --new-password-command b",
    "key add",
    "key nothing",
  ]) {
    assert.equal((await sandbox.run(`${line} ${there}`)).code, 2, line);
  }
});

test("documents about a repository fit their schemas", async () => {
  using sandbox = await withRepository();
  const json = async (name: ResultName, rest = ""): Promise<Record<string, unknown>> => {
    const run = await sandbox.run(`${name} ${rest} ${there} --json`);
    assert.equal(run.code, 0, run.out + run.err);
    return documentOf(name, run);
  };
  assert.equal((await json("prune", "--dry-run"))["done"], false);
  assert.deepEqual(await json("unlock"), { removed: [], remaining: [] });
  assert.notEqual((await json("repair", "index"))["index"], null);
  assert.notEqual((await json("repair", "backups --dry-run"))["backups"], null);
  assert.notEqual((await json("verify", "--all"))["repository"], undefined);
  assert.equal((await json("rotate", "--prune --dry-run"))["awaits_prune"], true);
  assert.notEqual((await json("rotate", "--prune"))["pruned"], undefined);
  const kit = await json("recovery-kit", "--html --output kit.html");
  assert.equal(readFileSync("kit.html", "utf8"), kit["page"]);
  assert.match(String(kit["page"]), /^<!doctype html>/);
  assert.equal((await sandbox.run(`recovery-kit --output kit.html ${there}`)).code, 1);
});

test("commands for repositories say on an archive vault what serves instead", async () => {
  using sandbox = new CliSandbox();
  await sandbox.run("create");
  const lines = [
    "key list",
    "recovery-kit",
    "prune --yes",
    "prune --dry-run",
    "unlock",
    "unlock --all",
    "repair index",
    "repair backups --yes",
    "rotate --prune",
    "verify --read-data-subset 10%",
  ];
  for (const line of lines) {
    const { code, err } = await sandbox.run(line);
    assert.equal(code, 1, line);
    assert.match(err, /^error: Cannot .*: it is an archive vault\n {2}\S/, line);
  }
  assert.equal((await sandbox.run("verify --read-data")).code, 0);
});

test("options of verify, prune and repair that make no sense together are usage errors", async () => {
  using sandbox = await withRepository();
  for (const line of [
    "verify latest --all",
    "verify latest --read-data-subset 1/5",
    "verify --read-data --depth stored",
    "verify --read-data --read-data-subset 1/5",
    "verify --read-data-subset 6/5",
    "verify --read-data-subset 0%",
    "prune --max-unused some",
    "prune --max-unused 10",
    "prune",
    "repair index --dry-run",
    "repair index --yes",
    "repair backups",
    "repair nothing",
    "recovery-kit --output ''",
  ]) {
    const { code, err } = await sandbox.run(`${line} ${there}`);
    assert.equal(code, 2, line);
    assert.match(err, /^error: Cannot /, line);
  }
});

test("no output of any command repeats a password, a password command, or what it prints", async () => {
  using sandbox = await withRepository();
  const secret = "geheim";
  sandbox.write("wrong", "Geheimnis-42\n");
  const places = [
    there,
    `--vault repo --password-command 'echo ${secret}'`,
    "--vault repo --password-command 'echo Geheimnis-42'",
    "--vault repo --password-command 'echo Geheimnis-42; exit 7'",
    "--vault repo --password-file wrong",
  ];
  const lines = [
    "init --yes",
    "list -v",
    "key list",
    "key add --new-password-command 'echo Geheimnis-43; exit 1'",
    "recovery-kit",
    "unlock",
    "prune --dry-run",
    "create",
    "verify --all",
  ];
  for (const place of places) {
    for (const line of lines.flatMap((one) => [one, `${one} --json`])) {
      const { out, err } = await sandbox.run(`${line} ${place}`);
      assert.doesNotMatch(`${out}${err}`, /geheim/i, `${line} ${place}`);
    }
  }
});

test("repair backups asks a person first, and says that it did", async () => {
  using sandbox = await withRepository();
  sandbox.write("uploads/large", randomBytes(100_000).toString("latin1"));
  await sandbox.run(`create ${there}`);
  const packs = readdirSync("repo/data", { recursive: true, withFileTypes: true })
    .filter((one) => one.isFile())
    .map(({ parentPath, name }) => join(parentPath, name));
  // The largest is the one with data.
  const [path = ""] = packs.toSorted((a, b) => statSync(b).size - statSync(a).size);
  const bytes = readFileSync(path);
  bytes.writeUInt8((bytes[20] ?? 0) ^ 1, 20);
  chmodSync(path, 0o600);
  writeFileSync(path, bytes);
  const asked = await sandbox.run(`repair backups ${there}`, { terminalWidth: 100, input: "n\n" });
  assert.equal(asked.code, 130);
  assert.match(asked.err, /would be rewritten.*1 damaged pack would be removed.*Repair them\? \[y\/N\] /s);
  assert.deepEqual(readFileSync(path), bytes);
  const done = await sandbox.run(`repair backups ${there}`, { terminalWidth: 100, input: "y\n" });
  assert.match(done.out, /Done\./);
  assert.equal(existsSync(path), false);
});

test("commands tell that the folder of the index or of the data is gone, also where they work without it", async () => {
  for (const [folder, told] of [
    ["index", /^warning: The folder index of the repository .* is gone.*repair index/m],
    ["data", /^warning: The folder data of the repository .* is gone/m],
  ] as const) {
    using sandbox = await withRepository();
    assert.equal((await sandbox.run(`create ${there}`)).code, 0);
    renameSync(`repo/${folder}`, "away");
    for (const command of ["list", "list --json", "show latest", "stats", "rotate --dry-run"]) {
      const { code, err } = await sandbox.run(`${command} ${there}`);
      assert.equal(code, 0, command);
      assert.match(err, told, command);
      assert.equal(err.match(/is gone/g)?.length, 1, "once is enough");
    }
    for (const command of [
      "ls latest",
      "dump latest uploads",
      "restore latest --target out --yes",
      "verify",
    ]) {
      const { code, err } = await sandbox.run(`${command} ${there}`);
      assert.equal(code, 13, command);
      assert.match(err, told, command);
    }
  }
});

test("create refuses to make a backup that would share data with what is gone, and repair index makes it whole again", async () => {
  using sandbox = await withRepository();
  assert.equal((await sandbox.run(`create ${there}`)).code, 0);
  renameSync("repo/data", "away");
  const refused = await sandbox.run(`create ${there}`);
  assert.equal(refused.code, 13);
  assert.match(refused.err, /error: Cannot store data in .*: its folder data holds no pack/);
  assert.equal((await sandbox.run(`repair index ${there}`)).code, 0);
  assert.equal((await sandbox.run(`create ${there}`)).code, 0);
  assert.equal((await sandbox.run(`verify latest ${there}`)).code, 0);
});
