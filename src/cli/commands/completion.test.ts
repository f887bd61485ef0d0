import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { test } from "node:test";
import "../../testing/kept-captures.ts";
import { resultSchemas } from "../../contract/results.ts";
import "../../testing/cheap-scrypt.ts";
import { CliSandbox } from "../../testing/cli-sandbox.ts";

test("completion --ids prints the ids of the configured vault, newest first, and nothing where there is none", async () => {
  using sandbox = new CliSandbox();
  const none = await sandbox.run("completion bash --ids");
  assert.deepEqual([none.code, none.out.trim(), none.err], [0, "", ""]);
  await sandbox.run("create --json");
  await sandbox.run("create --type database --json");
  const listed = JSON.parse((await sandbox.run("list --json")).out) as { backups: { id: string }[] };
  const ids = listed.backups.map(({ id }) => id);
  assert.equal(ids.length, 2);
  const offered = await sandbox.run("completion fish --ids");
  assert.deepEqual(offered.out.trim().split("\n"), ids);
  const document: unknown = JSON.parse((await sandbox.run("completion zsh --ids --json")).out);
  assert.deepEqual(document, { shell: "zsh", script: "", ids });
  assert.deepEqual(resultSchemas.completion.parse(document), document);
  sandbox.write("vertex-backup.yaml", "nonsense: [");
  const bad = await sandbox.run("completion bash --ids");
  assert.deepEqual([bad.code, bad.out.trim(), bad.err], [0, "", ""]);
});

test("completion --ids neither opens a repository nor runs its password command", async () => {
  using sandbox = new CliSandbox();
  const env = { VERTEX_BACKUP_PASSWORD_COMMAND: "touch asked; echo geheim" };
  await sandbox.run("init --vault backups --yes", { env: { VERTEX_BACKUP_PASSWORD: "geheim" } });
  const offered = await sandbox.run("completion bash --ids", { env, terminalWidth: 80, input: "geheim\n" });
  assert.deepEqual([offered.code, offered.out.trim(), offered.err], [0, "", ""]);
  assert.equal(existsSync("asked"), false);
});
