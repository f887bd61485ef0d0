import assert from "node:assert/strict";
import { rmSync } from "node:fs";
import { test } from "node:test";
import "../../testing/kept-captures.ts";
import { CliSandbox } from "../../testing/cli-sandbox.ts";

test("confirm says which older suspect backup still holds rotation, and how to confirm that", async () => {
  using sandbox = new CliSandbox();
  await sandbox.run("create -q");
  rmSync("uploads/2024", { recursive: true });
  await sandbox.run("create -q");
  await sandbox.run("create -q");
  const listed = JSON.parse((await sandbox.run("list --json")).out) as { backups: { id: string }[] };
  const older = listed.backups[1]!.id;
  const first = (await sandbox.run("confirm latest")).out;
  assert.doesNotMatch(first, /rotation goes on/);
  assert.ok(first.includes(`vertex-backup confirm ${older}\n`), first);
  assert.equal((await sandbox.run("rotate")).code, 3);
  assert.match((await sandbox.run(`confirm ${older}`)).out, /rotation goes on/);
  assert.equal((await sandbox.run("rotate")).code, 0);
});
