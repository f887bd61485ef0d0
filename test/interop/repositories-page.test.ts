/** Runs docs/repositories.md as a reader would: every line of every shell block, in order. */

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { CliSandbox } from "../../src/testing/cli-sandbox.ts";

const page = readFileSync(new URL("../../docs/repositories.md", import.meta.url), "utf8");
const main = join(import.meta.dirname, "../../src/main.ts");

function blocks(language: string): string[] {
  return Array.from(
    page.matchAll(new RegExp(`^\`\`\`${language}\\n(.*?)^\`\`\``, "gms")),
    ([, code]) => code!,
  );
}

test("every shell line of docs/repositories.md runs as it stands", () => {
  using sandbox = new CliSandbox();
  const lines = blocks("sh");
  assert.ok(lines.length >= 7, `${lines.length} blocks`);
  const bin = join(sandbox.directory, "bin");
  mkdirSync(bin);
  const program = `#!/bin/sh\nexec '${process.execPath}' '${main}' "$@"\n`;
  writeFileSync(join(bin, "vertex-backup"), program, { mode: 0o755 });
  const script = `set -e\n${lines.join("\n")}`;
  const PATH = `${bin}:${process.env["PATH"]}`;
  const env = { ...process.env, ...sandbox.env, PATH, RESTIC_CACHE_DIR: join(sandbox.directory, "cache") };
  const output = execFileSync("/bin/sh", ["-c", script], {
    encoding: "utf8",
    env,
    stdio: ["ignore", "pipe", "pipe"],
  });
  assert.match(output, /2 backups, /);
  assert.equal(statSync("recovery-kit.txt").mode & 0o777, 0o600);
  assert.equal(statSync("password").mode & 0o777, 0o600);
});

test("the configuration of docs/repositories.md makes a repository with the first create", async () => {
  using sandbox = new CliSandbox();
  const [yaml = ""] = blocks("yaml");
  sandbox.write("vertex-backup.yaml", yaml);
  sandbox.write("password", "geheim\n");
  const { code, err } = await sandbox.run("create");
  assert.equal(code, 0, err);
  assert.ok(statSync("repo/config").isFile());
});
