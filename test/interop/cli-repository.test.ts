/**
 * The command line on repositories, with Debian's restic as the judge: what we make
 * it opens, checks and restores; what we remove it no longer sees.
 */

import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { test } from "node:test";
import { setTimeout } from "node:timers/promises";
import { type ResultName, resultSchemas } from "../../src/contract/results.ts";
import { CliSandbox } from "../../src/testing/cli-sandbox.ts";

const there = "--vault repo --password-file password";

/** Runs restic in the sandbox. Its own variables say where; nothing of the user's is used. */
function restic(sandbox: CliSandbox, args: string, password = "geheim", repository = "repo"): string {
  const cache = join(sandbox.directory, "restic-cache");
  const env = {
    ...process.env,
    RESTIC_REPOSITORY: repository,
    RESTIC_PASSWORD: password,
    RESTIC_CACHE_DIR: cache,
  };
  return execFileSync("restic", args.split(" "), {
    encoding: "utf8",
    env,
    stdio: ["ignore", "pipe", "pipe"],
  });
}

function resticFails(sandbox: CliSandbox, args: string, password: string): boolean {
  try {
    restic(sandbox, args, password);
    return false;
  } catch {
    return true;
  }
}

/** Runs one of our commands, which must end with 0. */
async function ours(sandbox: CliSandbox, line: string): Promise<string> {
  const { code, out, err } = await sandbox.run(`${line} ${there}`);
  assert.equal(code, 0, `${line}\n${out}${err}`);
  return out;
}

async function json(sandbox: CliSandbox, name: ResultName, rest = ""): Promise<Record<string, unknown>> {
  const document: unknown = JSON.parse(await ours(sandbox, `${name} ${rest} --json`));
  assert.deepEqual(resultSchemas[name].parse(document), document);
  return document as Record<string, unknown>;
}

/** A sandbox with an app, a password file and a repository made by our `init`. */
async function withRepository(): Promise<CliSandbox> {
  const sandbox = new CliSandbox();
  writeFileSync("password", "geheim\n", { mode: 0o600 });
  writeFileSync("second", " zwei \n\n", { mode: 0o600 });
  await ours(sandbox, "init --yes");
  return sandbox;
}

test("restic opens what init made with the same password file, and sees our backups", async () => {
  using sandbox = await withRepository();
  const { repository_id: id } = JSON.parse(await ours(sandbox, "recovery-kit --json")) as {
    repository_id: string;
  };
  assert.equal((JSON.parse(restic(sandbox, "cat config")) as { id: string }).id, id);
  execFileSync("restic", ["-r", "repo", "--password-file", "password", "--no-cache", "snapshots"]);
  await ours(sandbox, "create");
  appendFileSync("uploads/notes.txt", "more\n");
  await ours(sandbox, "create --type database");
  const snapshots = JSON.parse(restic(sandbox, "snapshots --json")) as { id: string; tags: string[] }[];
  const { backups } = (await json(sandbox, "list")) as { backups: { id: string; type: string }[] };
  assert.deepEqual(
    backups.map(({ id: one, type }) => `${one} ${type}`).toSorted(),
    snapshots
      .map(({ id: one, tags }) => `${one} ${tags.find((tag) => tag.startsWith("type:"))?.slice(5)}`)
      .toSorted(),
  );
  restic(sandbox, "check --read-data");
});

test("rotate and prune take away what restic then no longer has, and free the space", async () => {
  using sandbox = await withRepository();
  for (let i = 0; i < 3; i++) {
    sandbox.write("uploads/large.bin", Buffer.alloc(400_000, `${i}${Math.random()}`));
    writeFileSync("uploads/random.bin", randomBytes(60_000));
    await ours(sandbox, "create --no-rotate");
  }
  const rotated = await sandbox.run(`rotate --keep-last 1 ${there}`);
  assert.match(
    rotated.out,
    /^2 backups removed; 1 stay\nFree the space with: vertex-backup prune --vault repo --password-file password\n$/,
  );
  assert.equal((JSON.parse(restic(sandbox, "snapshots --json")) as unknown[]).length, 1);
  const before = folderBytes("repo");
  const planned = (await json(sandbox, "prune", "--dry-run")) as {
    plan: { bytes_freed: number };
    done: boolean;
  };
  assert.deepEqual([planned.done, folderBytes("repo")], [false, before]);
  assert.ok(planned.plan.bytes_freed > 100_000, JSON.stringify(planned));
  const refused = await sandbox.run(`prune ${there}`, {
    terminalWidth: 80,
    input: "n\n",
    env: { NO_COLOR: "1" },
  });
  assert.deepEqual([refused.code, folderBytes("repo")], [130, before]);
  assert.match(refused.err, /not needed .*\n {2}stay .*\n(.*\n)*.*frees .*\n\nFree it\? /);
  const agreed = await sandbox.run(`prune ${there}`, { terminalWidth: 80, input: "y\n" });
  assert.equal(agreed.code, 0, agreed.err);
  assert.ok(folderBytes("repo") < before - 100_000);
  restic(sandbox, "check --read-data");
  assert.match(await ours(sandbox, "prune --yes"), /^Nothing to free: /);
  await ours(sandbox, "verify --read-data");
  assert.match(await ours(sandbox, "rotate --keep-last 1 --prune"), /Nothing to free/);
});

test("each password that key adds opens the repository in restic, until it is removed", async () => {
  using sandbox = await withRepository();
  const added = (await json(sandbox, "key", "add --new-password-file second --host safe --user bob")) as {
    keys: { id: string }[];
  };
  // restic drops the space around a password file's text as well.
  execFileSync("restic", ["-r", "repo", "-p", "second", "--no-cache", "cat", "config"]);
  const listed = JSON.parse(restic(sandbox, "key list --json")) as { hostName: string; userName: string }[];
  assert.ok(listed.some(({ hostName, userName }) => hostName === "safe" && userName === "bob"));
  const { keys } = (await json(sandbox, "key", "list")) as { keys: { id: string; current: boolean }[] };
  assert.deepEqual([keys.length, keys.filter(({ current }) => current).length], [2, 1]);
  await ours(sandbox, `key remove ${added.keys[0]?.id.slice(0, 8)}`);
  assert.ok(resticFails(sandbox, "cat config", "zwei"));

  writeFileSync("third", "drei\n", { mode: 0o600 });
  await ours(sandbox, "key passwd --new-password-file third");
  assert.ok(resticFails(sandbox, "cat config", "geheim"));
  restic(sandbox, "cat config", "drei");
  assert.equal((await sandbox.run(`list ${there}`)).code, 12);
  assert.equal((await sandbox.run("list --vault repo --password-file third")).code, 0);
});

test("a repository made by restic takes our backups, and typed passwords", async () => {
  using sandbox = new CliSandbox();
  restic(sandbox, "init", "von restic", "theirs");
  restic(sandbox, "backup uploads", "von restic", "theirs");
  const env = { RESTIC_REPOSITORY: "theirs", RESTIC_PASSWORD: "von restic" };
  const made = await sandbox.run("create", { env });
  assert.equal(made.code, 0, made.err);
  const list = await sandbox.run("list --vault theirs", { terminalWidth: 120, input: "wrong\nvon restic\n" });
  assert.equal(list.code, 0, list.err);
  assert.match(list.out, /2 backups/);
  const rotated = await sandbox.run("rotate --keep-last 1 --json", { env });
  assert.deepEqual((JSON.parse(rotated.out) as { removed: unknown[] }).removed, []);
  restic(sandbox, "check --read-data", "von restic", "theirs");
});

test("the commands of the recovery kit, executed as printed, bring everything back", async () => {
  using sandbox = await withRepository();
  await ours(sandbox, "create");
  await ours(sandbox, "recovery-kit --output kit.txt");
  assert.equal(statSync("kit.txt").mode & 0o777, 0o600);
  const kit = readFileSync("kit.txt", "utf8");
  assert.doesNotMatch(kit, /geheim/);
  const commands = Array.from(kit.matchAll(/^ {4}(restic .*)$/gm), ([, command]) => command!);
  assert.equal(commands.length, 3);
  mkdirSync("elsewhere");
  for (const command of commands) {
    // restic asks a terminal; here the answer comes from its variable.
    const env = {
      ...process.env,
      RESTIC_PASSWORD: "geheim",
      RESTIC_CACHE_DIR: join(sandbox.directory, "cache"),
    };
    execFileSync("/bin/sh", ["-c", command], { cwd: "elsewhere", env, stdio: ["ignore", "pipe", "pipe"] });
  }
  const restored = join("elsewhere/restored", sandbox.directory);
  assert.deepEqual(readdirSync(join(restored, "uploads/2024")), readdirSync("uploads/2024"));
  assert.equal(readFileSync(join(restored, "uploads/notes.txt"), "utf8"), "hello\n");
  using database = new DatabaseSync(join(restored, "app.db"), { readOnly: true });
  assert.deepEqual({ ...database.prepare("SELECT sum(x) AS sum FROM t").get() }, { sum: 6 });
});

test("damage is named by verify, and repair brings the other backups back, to restic's satisfaction", async () => {
  using sandbox = await withRepository();
  await ours(sandbox, "create --type database");
  // Stored in a pack of its own: which of two packs it would share with the large file is left to chance.
  await ours(sandbox, "create --type storage");
  writeFileSync("uploads/lost.bin", randomBytes(3_000_000));
  await ours(sandbox, "create --type storage");
  rmSync("repo/index", { recursive: true });
  mkdirSync("repo/index");
  assert.equal((await sandbox.run(`verify --all ${there}`)).code, 13);
  assert.match(await ours(sandbox, "repair index"), /^Index made again: \d+ packs read, [1-9]/);
  await ours(sandbox, "verify --read-data");

  const packs = readdirSync("repo/data").flatMap((folder) =>
    readdirSync(join("repo/data", folder)).map((name) => join("repo/data", folder, name)),
  );
  const largest = packs.toSorted((a, b) => statSync(b).size - statSync(a).size)[0]!;
  rmSync(largest);
  const found = await sandbox.run(`verify --all ${there} --json`);
  assert.equal(found.code, 13, found.err);
  const document = JSON.parse(found.out) as {
    reports: { ok: boolean }[];
    repository: { damages: unknown[] };
  };
  assert.equal(document.reports.filter(({ ok }) => !ok).length, 1, found.out);
  assert.ok(document.repository.damages.length > 0);
  assert.match((await sandbox.run(`list ${there}`)).out, /damaged/);
  await ours(sandbox, "repair index");
  const dry = (await json(sandbox, "repair", "backups --dry-run")) as {
    backups: { lost: { path?: string }[] };
  };
  assert.ok(
    dry.backups.lost.some(({ path }) => path?.includes("lost.bin")),
    JSON.stringify(dry),
  );
  const repaired = await sandbox.run(`repair backups --yes ${there}`);
  assert.equal(repaired.code, 0, repaired.out + repaired.err);
  restic(sandbox, "check --read-data");
  await ours(sandbox, "verify --read-data");
  await ours(sandbox, "restore latest --type storage --target back --yes");
  assert.equal(readFileSync("back/uploads/notes.txt", "utf8"), "hello\n");
});

test("unlock removes restic's stale lock, and leaves a living one alone", async () => {
  using sandbox = await withRepository();
  assert.match(await ours(sandbox, "unlock"), /^There are no locks\.\n$/);
  const env = { ...process.env, RESTIC_REPOSITORY: "repo", RESTIC_PASSWORD: "geheim" };
  // It waits for its input, with its lock held.
  const running = spawn("restic", ["--no-cache", "backup", "--stdin"], {
    env,
    stdio: ["pipe", "ignore", "ignore"],
  });
  while (lockCount() === 0) await setTimeout(50);
  assert.match(await ours(sandbox, "unlock"), /^stays: .*process \d+, since .*\nWait until /);
  running.kill("SIGKILL");
  await once(running, "close");
  assert.equal(lockCount(), 1);
  assert.match(await ours(sandbox, "unlock"), new RegExp(`^removed: .*process ${running.pid}, since `));
  assert.equal(lockCount(), 0);
});

/** The folder is made with the first lock. */
function lockCount(): number {
  // While restic writes one it has a longer name.
  const names = existsSync("repo/locks") ? readdirSync("repo/locks") : [];
  return names.filter((name) => /^[0-9a-f]{64}$/.test(name)).length;
}

function folderBytes(folder: string): number {
  const files = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) =>
    entry.isFile(),
  );
  return files.reduce((sum, { parentPath, name }) => sum + statSync(join(parentPath, name)).size, 0);
}
