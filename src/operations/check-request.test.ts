import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import type { ManagerConfiguration } from "../app/configuration.ts";
import { createBackupManager, type ManagerOptions } from "../app/create-backup-manager.ts";
import { BackupError, isBackupError } from "../domain/error.ts";

const directory = mkdtempSync(join(tmpdir(), "vertex-backup-border-"));
const configuration: ManagerConfiguration = {
  vault: join(directory, "backups"),
  state: join(directory, "state"),
  sources: [{ name: "shop", storage: [directory] }],
};

/** None of them is of a type that options have; some fit some option by chance. */
const wrong: readonly unknown[] = [null, 5, 0.5, true, "odd", ["odd", 5], { odd: 1 }, () => 1];

const optionNames =
  `signal observer source type only depth format kinds rules level readData password backup before after
  safetyOlderThan path target pattern tag username host key restoreId tags include backups forget sinceMs untilMs
  maxUnusedPercent maxUnusedBytes integrityCheck rotate dryRun prune live force spaceCheck skipDamaged recursive
  ignoreCase newest all confirm beforeMaking onUnsearched`.split(/\s+/);

type Call = (manager: ReturnType<typeof createBackupManager>, request: never) => Promise<unknown>;

const calls: Readonly<Record<string, Call>> = {
  listBackups: (manager, request) => manager.listBackups(request),
  getBackup: (manager, request) => manager.getBackup("latest", request),
  rotateBackups: (manager, request) => manager.rotateBackups(request),
  planRestore: (manager, request) => manager.planRestore(request),
  restoreBackup: (manager, request) => manager.restoreBackup(request),
  findKeptRestore: (manager, request) => manager.findKeptRestore(request),
  undoRestore: (manager, request) => manager.undoRestore(request),
  verifyBackup: (manager, request) => manager.verifyBackup(request),
  confirmBackup: (manager, request) => manager.confirmBackup("latest", request),
  copyBackups: (manager, request) => manager.copyBackups(manager, request),
  listEntries: (manager, request) => Array.fromAsync(manager.browse.listEntries(request)),
  findEntries: (manager, request) => Array.fromAsync(manager.browse.findEntries(request)),
  compareBackups: (manager, request) => Array.fromAsync(manager.browse.compareBackups(request)),
  openDump: (manager, request) => manager.browse.openDump(request),
  addKey: (manager, request) => manager.maintenance.addKey(request),
  removeKey: (manager, request) => manager.maintenance.removeKey(request),
  prune: (manager, request) => manager.maintenance.prune(request),
  unlock: (manager, request) => manager.maintenance.unlock(request),
  repairBackups: (manager, request) => manager.maintenance.repairBackups(request),
};

test("every method answers options of a wrong type with a BackupError, or does its work", async () => {
  await using manager = createBackupManager(configuration);
  await manager.createBackup();
  for (const [name, call] of Object.entries(calls)) {
    for (const given of [...wrong, {}]) {
      const error = await call(manager, given as never).catch((reason: unknown) => reason);
      assert.ok(!(error instanceof Error) || isBackupError(error), `${name}(${String(given)}): ${error}`);
    }
  }
  // The border is the same for every method, so that one method shows each option.
  for (const option of optionNames) {
    const refused = await Promise.all(
      wrong.map((value) =>
        manager.getBackupStats({ [option]: value } as never).then(
          () => false,
          (error: unknown) => {
            assert.ok(isBackupError(error, "invalid-input"), `${option}: ${error}`);
            assert.ok(error.message.startsWith(`Cannot use option ${option}: `), error.message);
            return true;
          },
        ),
      ),
    );
    assert.ok(refused.filter(Boolean).length >= 4, `${option} takes ${refused.indexOf(false)}`);
  }
});

test("a level, a name and a password of the wrong type are refused by name, and no password is shown", async () => {
  await using manager = createBackupManager(configuration);
  const refusals: readonly [() => Promise<unknown>, string][] = [
    [
      () => manager.createBackup({ level: 99 }),
      "Cannot use option level: 99 is not a whole number from 1 to 9",
    ],
    [
      () => manager.createBackup({ tags: "x" as never }),
      'Cannot use option tags: "x" is not a list whose items are text',
    ],
    [() => manager.createBackup("shop" as never), 'Cannot use options: "shop" is not an object'],
    [() => manager.getBackup(7 as never), "Cannot use the name of a backup: 7 is not text"],
    [
      () => manager.copyBackups({} as never),
      "Cannot use the target of a copy: an object is not a backup manager",
    ],
    [
      () => manager.maintenance.addKey({ password: 12345 as never }),
      "Cannot use option password: what was given is not text",
    ],
  ];
  for (const [call, message] of refusals)
    await assert.rejects(call, new BackupError("invalid-input", message, { hint: hintOf(message) }));
});

function hintOf(message: string): string {
  return `Give ${message.slice(message.lastIndexOf(" is not ") + " is not ".length)}.`;
}

test("createBackupManager() refuses a configuration of wrong types, whatever part it is in", () => {
  const source = { name: "shop", databases: ["a.db"], storage: [{ path: "b" }], references: [] };
  const reference = { table: "t", column: "c", base: "b" };
  const configurations: readonly unknown[] = [
    ...wrong,
    ...["vault", "format", "sources", "retention", "state", "lockWaitMs"].flatMap((key) =>
      wrong
        .filter((value) => typeof value !== "string" && typeof value !== "number")
        .map((value) => ({ vault: "v", [key]: value })),
    ),
    { vault: "v", password: 5 },
    { vault: "v", password: { file: 5 } },
    { vault: "v", retention: { within: 5 } },
    { vault: "v", retention: { last: 1, tags: "a" } },
    ...[
      null,
      { ...source, name: 5 },
      { databases: [] },
      { ...source, databases: "a.db" },
      { ...source, databases: [5] },
      { ...source, databases: [{}] },
      { ...source, storage: [null] },
      { ...source, storage: [{ path: "b", exclude: "*.tmp" }] },
      { ...source, storage: [{ path: "b", oneFileSystem: "yes" }] },
      { ...source, references: [{ ...reference, base: 5 }] },
      { ...source, references: [{ table: "t", column: "c" }] },
    ].map((one) => ({ vault: "v", sources: [one] })),
  ];
  for (const given of configurations) {
    assert.throws(
      () => createBackupManager(given as ManagerConfiguration),
      (error) => isBackupError(error, "invalid-input"),
      JSON.stringify(given),
    );
  }
  for (const options of [null, { clock: 5 }, { observer: {} }, { askPassword: "x" }]) {
    assert.throws(
      () => createBackupManager(configuration, options as unknown as ManagerOptions),
      (error) => isBackupError(error, "invalid-input"),
      JSON.stringify(options),
    );
  }
});

test.after(() => rmSync(directory, { recursive: true, force: true }));

test("createBackup() looks at its request once, and then takes what it needs from it", async () => {
  let reads = 0;
  const request = {
    get host(): string {
      reads++;
      return "passes";
    },
    source: "shop",
  };
  await using manager = createBackupManager(configuration);
  await manager.listBackups(request);
  const ofOthers = reads;
  reads = 0;
  await manager.createBackup(request);
  assert.equal(reads, ofOthers);
});
