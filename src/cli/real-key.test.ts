import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { systemClock } from "../domain/clock.ts";
import { parseKeyFile } from "../format/restic/keys.ts";
import { openLocalStorage } from "../storage/local-storage.ts";
import { readThisMachine } from "../storage/this-machine.ts";
import { CliSandbox } from "../testing/cli-sandbox.ts";
import { cheapCost } from "../testing/test-repository.ts";
import { signal } from "../testing/vault-probe.ts";
import { createRepository } from "../vault/repository/open-repository.ts";

/** N × r × p of the only key of a repository. */
function workOfKey(repository: string): number {
  const keys = join(repository, "keys");
  const [name = "", ...others] = readdirSync(keys);
  assert.deepEqual(others, []);
  const { N, r, p } = parseKeyFile(readFileSync(join(keys, name)));
  return N * r * p;
}

// Other tests of commands import testing/cheap-scrypt.ts.
test("init makes a key that is as dear to guess as restic's, and list opens it", async () => {
  using sandbox = new CliSandbox();
  sandbox.write("password", "geheim\n");
  const place = "--vault repo --password-file password";
  assert.equal((await sandbox.run(`init ${place} --yes`)).code, 0);
  const leastWork = 2 ** 21;
  assert.ok(workOfKey("repo") >= leastWork);
  const startedAtMs = performance.now();
  assert.equal((await sandbox.run(`list ${place}`)).code, 0);
  const tookMs = performance.now() - startedAtMs;
  assert.ok(tookMs > 100, `opened after ${tookMs} ms, as nothing real is`);
  sandbox.write("other", "Geheim\n");
  assert.equal((await sandbox.run("list --vault repo --password-file other")).code, 12);
  const storage = await openLocalStorage("cheap", { create: true, machine: readThisMachine() });
  const options = { storage, password: "geheim", machine: readThisMachine(), clock: systemClock };
  await createRepository({ ...options, toolVersion: "test", keyCost: cheapCost }, signal);
  assert.ok(workOfKey("cheap") < leastWork, "a cheap one is told from it");
});
