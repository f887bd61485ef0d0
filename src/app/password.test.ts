import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { type ErrorKind, isBackupError } from "../domain/error.ts";
import { describe, type PasswordSource, readPassword } from "./password.ts";

const directory = mkdtempSync(join(tmpdir(), "vertex-backup-password-"));
after(() => rmSync(directory, { recursive: true, force: true }));
const signal = new AbortController().signal;

function write(content: string | Uint8Array, mode = 0o600): string {
  const file = join(mkdtempSync(join(directory, "file-")), "password");
  writeFileSync(file, content);
  chmodSync(file, mode);
  return file;
}

async function read(source: PasswordSource): Promise<{ password: string; warnings: string[] }> {
  const warnings: string[] = [];
  const environment = { PATH: process.env["PATH"], SECRET: " from the environment " };
  const options = { environment, warn: (text: string) => void warnings.push(text) };
  return { password: await readPassword(source, options, signal), warnings };
}

test("readPassword() drops what is around the text of a file and of a command, and nothing else", async () => {
  for (const [content, password] of [
    ["geheim", "geheim"],
    ["geheim\n", "geheim"],
    ["geheim\r\n", "geheim"],
    ["\ufeffgeheim\n", "geheim"],
    [" two words \n\n", "two words"],
    ["пароль\nand a line\n", "пароль\nand a line"],
  ] as const) {
    assert.deepEqual(await read({ file: write(content) }), { password, warnings: [] });
    assert.equal((await read({ command: `cat '${write(content)}'` })).password, password);
  }
});

test("readPassword() takes what programs and the environment say as it is", async () => {
  assert.equal((await read(" as it is\n")).password, " as it is\n");
  assert.equal((await read(async () => " asked ")).password, " asked ");
  assert.equal((await read({ variable: "SECRET" })).password, " from the environment ");
});

test("readPassword() reads a pipe, as a shell hands one over", () => {
  const module = new URL("./password.ts", import.meta.url).href;
  const program = `
    const { readPassword } = await import("${module}");
    const options = { environment: {}, warn: console.log };
    console.log(await readPassword({ file: "/dev/stdin" }, options, new AbortController().signal));`;
  const line = `echo piped | '${process.execPath}' --input-type=module -e '${program.replaceAll("'", "'\\''")}'`;
  assert.equal(execFileSync("/bin/sh", ["-c", line], { encoding: "utf8" }), "piped\n");
});

test("readPassword() warns of a file that everybody can read, and of no other", async () => {
  for (const [mode, count] of [
    [0o644, 1],
    [0o604, 1],
    [0o640, 0],
    [0o600, 0],
  ] as const) {
    const { warnings } = await read({ file: write("x", mode) });
    assert.equal(warnings.length, count, mode.toString(8));
    if (count > 0) assert.match(warnings[0]!, /can be read by every user; chmod 600/);
  }
});

const refused: readonly (readonly [PasswordSource, ErrorKind, RegExp])[] = [
  ["", "invalid-input", /given by the program: it is empty/],
  [{ variable: "NOWHERE" }, "invalid-input", /environment variable NOWHERE: it is empty/],
  [{ file: write("\n") }, "invalid-input", /it is empty/],
  [{ file: write(new Uint8Array([0xff, 0xfe, 0xfd])) }, "invalid-input", /not UTF-8/],
  [{ file: write("x".repeat(70_000)) }, "invalid-input", /longer than/],
  [{ file: join(directory, "none") }, "source-unavailable", /password file .*none: ENOENT/],
  [{ file: directory }, "source-unavailable", /EISDIR/],
  [{ command: "true" }, "invalid-input", /printed by the password command: it is empty/],
  [{ command: "echo geheim; exit 3" }, "source-unavailable", /exit code 3/],
  [{ command: "kill -9 $$" }, "source-unavailable", /ended by SIGKILL/],
  [{ command: "yes geheim" }, "invalid-input", /longer than/],
];

test("readPassword() says what is wrong without a word of the password or of the command", async () => {
  for (const [source, kind, message] of refused) {
    await assert.rejects(
      read(source),
      (error) => isBackupError(error, kind) && message.test(error.message) && !/geheim/.test(error.message),
      describe(source),
    );
  }
});

test("readPassword() stops waiting for a command when it is cancelled", async () => {
  const controller = new AbortController();
  const started = performance.now();
  const options = { environment: { PATH: process.env["PATH"] }, warn: () => {} };
  // What the shell started goes on without it, and would keep whoever reads the errors of this test.
  const command = "sleep 60 >/dev/null 2>&1; echo x";
  const waiting = readPassword({ command }, options, controller.signal);
  setTimeout(() => controller.abort(), 50);
  await assert.rejects(waiting, { name: "AbortError" });
  assert.ok(performance.now() - started < 50_000);
});
