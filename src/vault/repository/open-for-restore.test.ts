import assert from "node:assert/strict";
import { closeSync, openSync, readFileSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { byteStringToPath } from "../../domain/byte-string.ts";
import { systemClock } from "../../domain/clock.ts";
import { openLocalStorage } from "../../storage/local-storage.ts";
import { openLocalRepositoryPlace } from "../../testing/repository-vault-places.ts";
import { testPassword } from "../../testing/test-repository.ts";
import { backUp, rejectsWith, signal, TestMachine } from "../../testing/vault-probe.ts";
import type { FileSink } from "../vault.ts";
import { openRepositoryVault } from "./repository-vault.ts";

test("openRepositoryVault() for a restore says when it derives the key, and writes files with what it got ready", async () => {
  await using place = await openLocalRepositoryPlace();
  const machine = new TestMachine().process(1);
  await using made = await place.open(machine);
  const { backup, content } = await backUp(made, place.folder, { type: "storage" });
  const derived: string[] = [];
  const open = async (password: string): ReturnType<typeof openRepositoryVault> =>
    openRepositoryVault(
      {
        storage: await openLocalStorage(place.vault, { create: false, machine }),
        password: async () => password,
        ...{ machine, clock: systemClock, toolVersion: "0.0.0-test", create: false, forRestore: true },
        meanwhile: async () => derived.push(password),
      },
      signal,
    );
  await rejectsWith(open("wrong horse"), "wrong-password");
  await using vault = await open(testPassword);
  assert.deepEqual(derived, ["wrong horse", testPassword]);
  const restored = join(place.folder, "restored");
  await mkdir(join(restored, "sub"), { recursive: true });
  await using reader = await vault.open(backup.id, signal);
  const written: string[] = [];
  const sink: FileSink = {
    begin: ({ kind, path }) =>
      kind === "file" ? openSync(join(restored, String(byteStringToPath(path))), "wx") : undefined,
    complete: ({ path }, descriptor) => {
      closeSync(descriptor);
      written.push(path);
    },
    abandon: closeSync,
    unwritten: (_entry, cause) => cause,
  };
  await reader.writeContents?.(() => true, sink, signal);
  assert.deepEqual(written, ["kept.txt", "sub/changing.bin", "zero"]);
  for (const path of written) {
    assert.equal(readFileSync(join(restored, path)).toString("hex"), content.get(`files/${path}`));
  }
});
