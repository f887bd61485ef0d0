import assert from "node:assert/strict";
import {
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { test } from "node:test";
import "../../testing/kept-captures.ts";
import { createBackupManager } from "../../app/create-backup-manager.ts";
import { BackupError } from "../../domain/error.ts";
import { openLocalStorage } from "../../storage/local-storage.ts";
import { readThisMachine } from "../../storage/this-machine.ts";
import { type HostileChange, hostileChange, storeDocuments } from "../../testing/hostile-documents.ts";
import { fc } from "../../testing/properties.ts";
import { removeTree } from "../../testing/remove-tree.ts";
import { openTestRepository, testPassword } from "../../testing/test-repository.ts";

function withAllBelow(path: string): readonly string[] {
  if (!lstatSync(path).isDirectory()) return [path];
  return [path, ...readdirSync(path, { recursive: true, encoding: "utf8" }).map((name) => join(path, name))];
}

/** Everything in a folder, with what is in it, but for what may change: vault, state and target. */
function surroundings(folder: string): readonly string[] {
  return readdirSync(folder)
    .filter((name) => !["vault", "state", "target"].includes(name))
    .flatMap((name) => withAllBelow(join(folder, name)))
    .map((path) => ({ entry: lstatSync(path), path }))
    .map(({ entry, path }) => {
      const content = entry.isFile()
        ? readFileSync(path, "latin1")
        : entry.isSymbolicLink()
          ? readlinkSync(path)
          : "";
      return `${relative(folder, path)} ${content}`;
    })
    .sort();
}

/** Restores the newest backup of a hostile repository into a folder; nothing beside that folder may change. Returns whether it was refused. */
async function tryRestore(changes: readonly HostileChange[]): Promise<boolean> {
  const folder = mkdtempSync(join(tmpdir(), "hostile-repository-"));
  try {
    for (const name of ["vault", "target", "etc"]) mkdirSync(join(folder, name));
    writeFileSync(join(folder, "evil"), "was here before");
    writeFileSync(join(folder, "a.txt"), "was here before");
    const vault = join(folder, "vault");
    const machine = readThisMachine();
    await storeDocuments(
      await openTestRepository(await openLocalStorage(vault, { create: true, machine })),
      changes,
    );
    const before = surroundings(folder);
    const state = join(folder, "state");
    await using manager = createBackupManager({ vault, state, password: async () => testPassword });
    const error = await manager.restoreBackup({ backup: "latest", target: join(folder, "target") }).then(
      () => undefined,
      (thrown: unknown) => thrown,
    );
    if (error !== undefined) {
      assert.ok(error instanceof BackupError, error instanceof Error ? error.stack : String(error));
      assert.notEqual(error.kind, "bug", error.stack);
      assert.deepEqual(readdirSync(join(folder, "target")), [], "what is refused leaves nothing");
    }
    assert.deepEqual(surroundings(folder), before);
    return error !== undefined;
  } finally {
    removeTree(folder);
  }
}

test("restoreBackup() of a repository made hostile writes into its target or nowhere", async () => {
  let refused = 0;
  await fc.assert(
    fc.asyncProperty(fc.array(hostileChange, { minLength: 1, maxLength: 2 }), async (changes) => {
      if (await tryRestore(changes)) refused++;
    }),
    { numRuns: 12 },
  );
  assert.ok(refused > 0);
});

test("restoreBackup() restores the honest repository that the hostile ones are made of", async () => {
  assert.equal(await tryRestore([]), false);
});
