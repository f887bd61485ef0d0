import assert from "node:assert/strict";
import { type ChildProcessWithoutNullStreams, execFileSync, spawn, spawnSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import {
  closeSync,
  cpSync,
  existsSync,
  openSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
  truncateSync,
} from "node:fs";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { resultSchemas } from "../contract/results.ts";
import { CliSandbox } from "../testing/cli-sandbox.ts";

const main = join(import.meta.dirname, "../main.ts");

function start(sandbox: CliSandbox, args: readonly string[]): ChildProcessWithoutNullStreams {
  const env = { ...process.env, ...sandbox.env };
  return spawn(process.execPath, [main, ...args], { cwd: sandbox.directory, env });
}

async function textOf(stream: NodeJS.ReadableStream): Promise<string> {
  let text = "";
  for await (const part of stream.setEncoding("utf8")) text += part as string;
  return text;
}

/** Bytes that take minutes to store, however fast the machine is, without taking room: zeros. */
function makeSlowSource(sandbox: CliSandbox): void {
  sandbox.write("uploads/large.bin", "");
  truncateSync(join(sandbox.directory, "uploads/large.bin"), 1_000_000_000_000);
}

/** What a stream has said so far. */
function heard(stream: NodeJS.ReadableStream): () => string {
  let text = "";
  stream.on("data", (part) => (text += String(part)));
  return () => text;
}

/** Waits until a run has announced itself in the vault. */
async function untilRunning(sandbox: CliSandbox, child: ChildProcessWithoutNullStreams): Promise<void> {
  const locks = join(sandbox.directory, "backups/.vertex/locks");
  // What begins with a dot is still being written.
  while (!existsSync(locks) || readdirSync(locks).every((name) => name.startsWith("."))) {
    assert.equal(child.exitCode, null, "the run must not end before it is cancelled");
    await sleep(20);
  }
}

test("Ctrl-C cancels a running create, which leaves nothing behind and ends with 130; SIGUSR1 asks it where it stands, and a rotation beside it ends with 11", async () => {
  using sandbox = new CliSandbox();
  makeSlowSource(sandbox);
  const child = start(sandbox, ["create"]);
  const soFar = heard(child.stderr.setEncoding("utf8"));
  const [out, err] = [textOf(child.stdout), textOf(child.stderr)];
  await untilRunning(sandbox, child);
  child.kill("SIGUSR1");
  // Of two signals that wait the system may give the later one first.
  while (soFar().split("\n").length < 3) await sleep(20);
  const waiting = await sandbox.run("rotate --lock-wait 0");
  assert.equal(waiting.code, 11, waiting.err);
  child.kill("SIGINT");
  const [code] = (await once(child, "exit")) as [number | null];
  assert.equal(code, 130, await err);
  assert.equal(await out, "");
  const [made, status, ...rest] = (await err).split("\n");
  assert.match(made!, /^warning: Made a new vault/);
  assert.match(status!, /^(starting|capturing|checking|looking|storing)/);
  assert.match(rest.join("\n"), /Cancelling and cleaning up/);
  for (const folder of ["database", "storage", "full", ".vertex/locks", ".vertex/staging"]) {
    const path = join(sandbox.directory, "backups", folder);
    assert.deepEqual(existsSync(path) ? readdirSync(path) : [], [], folder);
  }
});

test("a second Ctrl-C within the cleanup stops at once and says so", async () => {
  using sandbox = new CliSandbox();
  makeSlowSource(sandbox);
  const child = start(sandbox, ["create"]);
  const err = textOf(child.stderr);
  await untilRunning(sandbox, child);
  child.kill("SIGTERM");
  child.kill("SIGINT");
  const [code] = (await once(child, "exit")) as [number | null];
  assert.equal(code, 130);
  // The run may have cleaned up before the second signal came.
  if (/Stopped/.test(await err)) assert.match(await err, /a later run removes what is left over/);
});

test("SIGHUP, which restic sends to see whether a process is there, ends nothing while there is a terminal or never was one", async () => {
  using sandbox = new CliSandbox();
  makeSlowSource(sandbox);
  const child = start(sandbox, ["create"]);
  const err = textOf(child.stderr);
  await untilRunning(sandbox, child);
  child.kill("SIGHUP");
  child.kill("SIGHUP");
  await sleep(300);
  assert.equal(child.exitCode, null);
  child.kill("SIGINT");
  const [code] = (await once(child, "exit")) as [number | null];
  assert.equal(code, 130);
  assert.equal((await err).match(/Cancelling/g)?.length, 1);
});

test("a reader that goes away is no failure", async () => {
  using sandbox = new CliSandbox();
  await sandbox.run("create --type database");
  const child = start(sandbox, ["list", "--json"]);
  const err = textOf(child.stderr);
  child.stdout.destroy();
  const [code] = (await once(child, "exit")) as [number | null];
  assert.deepEqual([code, await err], [0, ""]);
});

test("dump hands bytes through a pipe as they are, stops where nobody reads on, and fails where they cannot be written", async () => {
  using sandbox = new CliSandbox();
  sandbox.write("uploads/large.bin", randomBytes(3_000_000));
  await sandbox.run("create --type storage");
  const args = ["dump", "latest", "uploads/large.bin"];
  const run = (stdout: "pipe" | number) =>
    spawnSync(process.execPath, [main, ...args], {
      cwd: sandbox.directory,
      env: { ...process.env, ...sandbox.env },
      stdio: ["ignore", stdout, "pipe"],
      maxBuffer: 10_000_000,
    });
  const { status, stdout } = run("pipe");
  assert.equal(status, 0);
  assert.ok(stdout.equals(readFileSync(join(sandbox.directory, "uploads/large.bin"))));
  const child = start(sandbox, args);
  const err = textOf(child.stderr);
  await once(child.stdout, "readable");
  child.stdout.destroy();
  const [code] = (await once(child, "exit")) as [number | null];
  assert.deepEqual([code, await err], [0, ""]);
  // Linux's disk that is always full.
  if (!existsSync("/dev/full")) return;
  const full = openSync("/dev/full", "w");
  const failed = run(full);
  closeSync(full);
  assert.equal(failed.status, 1);
  assert.match(String(failed.stderr), /^error: Cannot write to standard output: ENOSPC[^\n]*\n$/);
});

test("a list that cannot be written fails, and says why", () => {
  // Linux's disk that is always full.
  if (!existsSync("/dev/full")) return;
  const full = openSync("/dev/full", "w");
  const { status, stderr } = spawnSync(process.execPath, [main, "--version"], {
    encoding: "utf8",
    stdio: ["ignore", full, "pipe"],
  });
  closeSync(full);
  assert.equal(status, 1);
  assert.match(stderr, /^error: Cannot write to standard output: ENOSPC[^\n]*\n$/);
});

test("the process ends with the exit code of its command, and prints plain text into a pipe", async () => {
  using sandbox = new CliSandbox();
  const run = (...args: string[]) =>
    spawnSync(process.execPath, [main, ...args], {
      cwd: sandbox.directory,
      encoding: "utf8",
      env: { ...process.env, ...sandbox.env },
    });
  assert.equal(run("list").status, 10);
  assert.equal(run("nonsense").status, 2);
  const version = run("--version");
  assert.deepEqual([version.status, version.stderr], [0, ""]);
  assert.match(version.stdout, /^\d+\.\d+\.\d+\n$/);
});

test("an old Node.js is told so in two lines, before anything else is loaded", (context: TestContext) => {
  using sandbox = new CliSandbox();
  const pretend = (version: string) => {
    const lie = `Object.defineProperty(process, "versions", { value: { ...process.versions, node: "${version}" } })`;
    return spawnSync(process.execPath, ["--import", `data:text/javascript,${lie}`, main, "--version"], {
      encoding: "utf8",
      cwd: sandbox.directory,
    });
  };
  for (const version of ["18.19.0", "24.11.9"]) {
    const { status, stdout, stderr } = pretend(version);
    assert.deepEqual([status, stdout], [1, ""]);
    assert.match(
      stderr,
      new RegExp(`^error: Cannot run on Node.js ${version}: wanted 24.12 or newer\n  Install .+\n$`),
    );
  }
  for (const version of ["24.12.0", "26.0.0"]) assert.equal(pretend(version).status, 0);
  context.diagnostic(`this runtime is ${process.versions.node}`);
});

test("main.ts keeps to syntax and imports that an old Node.js reads", () => {
  const unreadable = /^import |\?\?|\?\.|^await |#\w+\s*[=(;]/m;
  assert.doesNotMatch(readFileSync(main, "utf8"), unreadable);
  assert.match('import { x } from "./x.ts";', unreadable);
});

test("the demo works from end to end, compares everything and leaves its folder with --keep only", () => {
  using sandbox = new CliSandbox();
  const printed = execFileSync(process.execPath, [main, "demo", "--keep", "--json"], {
    cwd: sandbox.directory,
    encoding: "utf8",
    env: { ...process.env, TMPDIR: sandbox.directory },
  });
  const document = JSON.parse(printed) as { ok: boolean; folder: string; steps: { command: string }[] };
  assert.deepEqual(resultSchemas.demo.parse(document), document);
  assert.equal(document.ok, true);
  assert.deepEqual(
    document.steps.map((step) => step.command.split(" ")[1]),
    ["create", "list", "verify", "restore"],
  );
  assert.ok(existsSync(join(document.folder, "restored", "app.db")));
  rmSync(document.folder, { recursive: true });
});

/** A copy of the program, as a linked checkout is one, but for what `isLeftOut` names. */
function copyCheckout(sandbox: CliSandbox, isLeftOut: (path: string) => boolean): string {
  const home = join(import.meta.dirname, "../..");
  const copy = join(sandbox.directory, "checkout");
  const filter = (path: string): boolean => !path.endsWith(".test.ts") && !isLeftOut(path);
  for (const name of ["bin", "src", "package.json"])
    cpSync(join(home, name), join(copy, name), { recursive: true, filter });
  return copy;
}

test("a linked checkout runs from its sources; where libraries or kernels are missing it says so, and what to do", () => {
  using sandbox = new CliSandbox();
  const libraries = realpathSync(join(import.meta.dirname, "../../node_modules"));
  const env = { ...process.env, ...sandbox.env };
  const run = (home: string, ...args: readonly string[]): ReturnType<typeof spawnSync> =>
    spawnSync(process.execPath, [join(home, "bin/vertex-backup.js"), ...args], { env, encoding: "utf8" });
  const copy = copyCheckout(sandbox, (path) => path.endsWith("generated"));
  symlinkSync(libraries, join(copy, "node_modules"));
  assert.equal(run(copy, "--version").status, 0);
  const told = /error: Cannot run: a part of the program is missing: .*generated\/kernels.*\n {2}.*npm ci/;
  const incomplete = run(copy, "create");
  assert.equal(incomplete.status, 1);
  assert.match(String(incomplete.stderr), told);
  // As without any library, which a folder above the test may have.
  rmSync(join(copy, "src/cli/program.ts"));
  const bare = run(copy, "create");
  assert.equal(bare.status, 1);
  assert.match(
    String(bare.stderr),
    /^error: Cannot run: a part of the program is missing: .*program\.ts.*\n {2}.*npm ci.*\n$/,
  );
});
