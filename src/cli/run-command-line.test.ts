import assert from "node:assert/strict";
import { test } from "node:test";
import { errorSchema } from "../contract/error.ts";
import { resultSchemas } from "../contract/results.ts";
import { memoryIo } from "../testing/memory-io.ts";
import { runCommandLine } from "./run-command-line.ts";

const usage: readonly (readonly [string, RegExp])[] = [
  ["list --nope", /unknown option '--nope'/],
  ["lst", /unknown command 'lst'/],
  ["create --type nothing", /'nothing' is invalid. Allowed choices are full, database, storage/],
  ["create --level 12", /Wanted 1 \(fast\) to 9/],
  ["rotate --keep-last 0", /whole number of at least 1/],
  ["list --lock-wait soon", /Cannot read duration "soon"/],
  ["list --since yesterday", /Cannot read time "yesterday"/],
  ["show", /missing required argument 'backup'/],
  ["show a b", /too many arguments/],
  ["verify --all latest", /--all together with one backup/],
  ["restore", /no backup named/],
  ["restore latest --undo --yes", /more than one of a backup, --undo and --discard/],
  ["restore latest", /standard input is not a terminal/],
  ["restore --discard", /standard input is not a terminal/],
  ["completion tcsh", /Allowed choices are bash, zsh, fish/],
];

test("a command line that makes no sense ends with 2, one line and a hint on the error stream", async () => {
  for (const [line, message] of usage) {
    const io = memoryIo();
    assert.equal(await runCommandLine(line.split(" "), io), 2, line);
    assert.equal(io.stdout.text, "", line);
    const [first, second, ...rest] = io.stderr.text.split("\n");
    assert.match(first!, /^error: Cannot /, line);
    assert.match(first!, message, line);
    assert.match(second!, /^ {2}\S/, line);
    assert.deepEqual(rest, [""], line);
  }
});

test("with --json a usage error is one document on standard output and nothing on the error stream", async () => {
  for (const [line] of usage) {
    const io = memoryIo();
    assert.equal(await runCommandLine([...line.split(" "), "--json"], io), 2, line);
    assert.equal(io.stderr.text, "", line);
    const { error } = errorSchema.parse(JSON.parse(io.stdout.text));
    assert.deepEqual([error.kind, error.exit_code], ["invalid-input", 2], line);
  }
});

test("names in error messages are escaped", async () => {
  const io = memoryIo();
  await runCommandLine(["li\x1b[2Jst"], io);
  assert.ok(!io.stderr.text.includes("\x1b"));
  assert.match(io.stderr.text, /li\\x1b\[2Jst/);
});

test("help and version end with 0 and go to standard output", async () => {
  for (const line of ["--help", "help", "help restore", "restore --help", "--version"]) {
    const io = memoryIo();
    assert.equal(await runCommandLine(line.split(" "), io), 0, line);
    assert.notEqual(io.stdout.text, "", line);
    assert.equal(io.stderr.text, "", line);
  }
});

test("the version is one document with --json, wherever that stands, and help stays text", async () => {
  const printed = async (...argv: string[]): Promise<string> => {
    const io = memoryIo();
    assert.equal(await runCommandLine(argv, io), 0);
    assert.equal(io.stderr.text, "");
    return io.stdout.text;
  };
  const version = (await printed("--version")).trim();
  for (const argv of [
    ["--version", "--json"],
    ["--json", "-V"],
    ["list", "--json", "--version"],
  ]) {
    assert.deepEqual(JSON.parse(await printed(...argv)), { version });
  }
  assert.match(await printed("--help", "--json"), /^Usage: vertex-backup/);
});

test("help fits the terminal it is printed on", async () => {
  const io = memoryIo({ terminalWidth: 80, env: { NO_COLOR: "1" } });
  await runCommandLine(["help"], io);
  const own = io.stdout.text.slice(0, io.stdout.text.indexOf("Examples:"));
  for (const line of own.split("\n")) assert.ok(line.length <= 80, line);
});

test("no command at all prints help and ends with 0", async () => {
  const io = memoryIo();
  assert.equal(await runCommandLine([], io), 0);
  assert.match(io.stdout.text, /^Usage: vertex-backup/);
});

test("errors are red on a terminal, and plain with NO_COLOR or --no-color", async () => {
  const red = "\x1b[31merror:";
  const coloured = memoryIo({ terminalWidth: 80 });
  await runCommandLine(["lst"], coloured);
  assert.ok(coloured.stderr.text.startsWith(red));
  for (const [args, env] of [
    [["lst"], { NO_COLOR: "1" }],
    [["lst", "--no-color"], {}],
  ] as const) {
    const io = memoryIo({ terminalWidth: 80, env });
    await runCommandLine(args, io);
    assert.ok(io.stderr.text.startsWith("error:"));
  }
});

test("completion prints the same script as text and inside its JSON document", async () => {
  for (const shell of ["bash", "zsh", "fish"]) {
    const text = memoryIo();
    assert.equal(await runCommandLine(["completion", shell], text), 0);
    const json = memoryIo();
    assert.equal(await runCommandLine(["completion", shell, "--json"], json), 0);
    const document = JSON.parse(json.stdout.text) as { script: string };
    assert.deepEqual(resultSchemas.completion.parse(document), document);
    assert.equal(document.script, text.stdout.text);
  }
});
