/**
 * The fault sweep of an archive vault: what is swept, and the laws that hold after
 * any interruption (I1 to I3, I8).
 *
 * @module
 */

import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Backup, BackupType } from "../domain/backup.ts";
import { MemoryStorage } from "../storage/memory-storage.ts";
import type { Storage } from "../storage/storage.ts";
import { reserveNames } from "../vault/archive/reserve.ts";
import { openTestVault } from "./archive-vault-places.ts";
import { type SweepResult, sweepFaults } from "./sweep-faults.ts";
import {
  backUp,
  beginOptions,
  noonMs,
  noWait,
  readAllOf,
  signal,
  summary,
  TestMachine,
  writeProbe,
} from "./vault-probe.ts";

/** The process that is interrupted. */
const victim = 666;
const survivor = 1;

type Content = ReadonlyMap<string, string>;
type Objects = ReadonlyMap<string, Buffer>;

/** What a sweep starts from: a vault with a backup of each type, in a storage that can be copied. */
interface Template {
  readonly folder: string;
  readonly objects: Objects;
  /** What each backup gives back. */
  readonly earlier: ReadonlyMap<string, Content>;
}

/** Between the storage and the vault; stands for an error in our code. */
type Sabotage = (storage: Storage) => Storage;

interface ArchiveSweepOptions {
  readonly sabotage?: Sabotage;
  /** As `FaultSweep.every`. */
  readonly every?: number;
}

/** Sweeps over making one backup. The laws are checked after each interruption; throws where one is broken. */
export async function sweepCreate(
  type: BackupType,
  { sabotage = (one) => one, every = 1 }: ArchiveSweepOptions = {},
): Promise<SweepResult> {
  return await withTemplate(async (template) => {
    const machines = { current: new TestMachine() };
    return await sweepFaults({
      every,
      open: async () => {
        machines.current = new TestMachine();
        return await openWith(template.objects);
      },
      scenario: (storage) => createOne(sabotage(storage), type, template, machines.current),
      check: async ({ storage, error }) => {
        const vault = await openTestVault(storage, machines.current.process(survivor), false);
        const listed = await vault.list(signal);
        assertKeeps(listed, template.earlier.keys());
        await assertUntouched(storage, template.objects);
        const added = listed.filter((backup) => !template.earlier.has(backup.id));
        assert.ok(added.length <= 1);
        if (error === undefined) assert.equal(added.length, 1, "what finished is listed");
        await assertWhole(storage, added, machines.current);
        await assertClean(storage, machines.current);
      },
    });
  });
}

/** Sweeps over removing one backup. */
export async function sweepRemove(
  type: BackupType,
  { sabotage = (one) => one, every = 1 }: ArchiveSweepOptions = {},
): Promise<SweepResult> {
  return await withTemplate(async (template) => {
    const machines = { current: new TestMachine() };
    const victims = [...template.earlier.keys()].filter((id) =>
      id.startsWith(type === "database" ? "db" : type),
    );
    return await sweepFaults({
      every,
      open: async () => {
        machines.current = new TestMachine();
        return await openWith(template.objects);
      },
      scenario: async (storage) => {
        const vault = await openTestVault(sabotage(storage), machines.current.process(victim), false);
        await vault.exclusively((remover) => remover.remove(victims, signal), noWait, signal);
      },
      check: async ({ storage, error }) => {
        const vault = await openTestVault(storage, machines.current.process(survivor), false);
        const listed = await vault.list(signal);
        assertKeeps(
          listed,
          [...template.earlier.keys()].filter((id) => !victims.includes(id)),
        );
        if (error === undefined)
          assert.ok(!listed.some((backup) => victims.includes(backup.id)), "it is gone");
        await assertWhole(storage, listed, machines.current);
        await assertClean(storage, machines.current);
      },
    });
  });
}

async function createOne(
  storage: Storage,
  type: BackupType,
  template: Template,
  machines: TestMachine,
): Promise<void> {
  const vault = await openTestVault(storage, machines.process(victim), true);
  const begun = beginOptions({
    type,
    startedAtMs: noonMs + 3_600_000,
    parent: [...template.earlier.keys()][0],
  });
  const writer = await vault.begin(begun, signal);
  try {
    await writeProbe(vault, writer, template.folder, { type, version: 9 });
    await writer.finish(summary(), signal);
  } catch (error) {
    await writer.abort();
    throw error;
  }
}

async function withTemplate<T>(use: (template: Template) => Promise<T>): Promise<T> {
  const folder = await mkdtemp(join(tmpdir(), "vertex-sweep-"));
  try {
    const storage = new MemoryStorage();
    const vault = await openTestVault(storage, new TestMachine().process(survivor));
    const earlier = new Map<string, Content>();
    for (const [i, type] of (["full", "database", "storage"] as const).entries()) {
      const { backup, content } = await backUp(vault, folder, { type, startedAtMs: noonMs + i * 60_000 });
      earlier.set(backup.id, content);
      const at = backup.startedAt;
      await vault.records.add({ kind: "verified", backupId: backup.id, at, host: "", message: "" }, signal);
    }
    return await use({ folder, objects: await objectsOf(storage), earlier });
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function objectsOf(storage: Storage): Promise<Objects> {
  const objects = new Map<string, Buffer>();
  for await (const { name } of storage.list("", signal)) {
    objects.set(name, Buffer.concat(await Array.fromAsync(storage.get(name, undefined, signal))));
  }
  return objects;
}

async function openWith(objects: Objects): Promise<Storage> {
  const storage = new MemoryStorage();
  for (const [name, bytes] of objects) await storage.put(name, bytes, signal);
  return storage;
}

/** Every object that was there still is, byte for byte (I2). */
async function assertUntouched(storage: Storage, before: Objects): Promise<void> {
  const now = await objectsOf(storage);
  for (const [name, bytes] of before) assert.ok(now.get(name)?.equals(bytes), `${name} is untouched`);
}

function assertKeeps(listed: readonly Backup[], ids: Iterable<string>): void {
  for (const id of ids)
    assert.ok(
      listed.some((backup) => backup.id === id),
      `${id} is still listed`,
    );
}

/** Every listed backup is good and gives back all it names: nothing half made is ever seen (I1). */
async function assertWhole(
  storage: Storage,
  listed: readonly Backup[],
  machines: TestMachine,
): Promise<void> {
  const vault = await openTestVault(storage, machines.process(survivor), false);
  for (const backup of listed) {
    assert.equal(backup.state, "good", `${backup.id}: ${backup.stateReason}`);
    const found = await readAllOf(vault, backup.id);
    assert.equal(
      found.size,
      (backup.type === "storage" ? 0 : 1) + (backup.type === "database" ? 0 : 6),
      backup.id,
    );
  }
}

/** Once the victim is gone, a later run leaves no object that no listed backup names (I8). */
async function assertClean(storage: Storage, machines: TestMachine): Promise<void> {
  machines.kill(victim);
  const vault = await openTestVault(storage, machines.process(survivor), false);
  const before = await vault.list(signal);
  await vault.clean(signal);
  const after = await vault.list(signal);
  assert.deepEqual(after, before, "cleaning changes nothing that is listed");
  const named = new Set(after.flatMap((backup) => backup.files.map((file) => file.name)));
  for (const name of [".vertex/vault.json", ...reserveNames]) named.add(name);
  for await (const { name } of storage.list("", signal)) {
    const about = /^\.vertex\/records\/verified\+([a-z0-9_-]+)\+/.exec(name)?.[1];
    const isNamed = about === undefined ? named.has(name) : after.some((backup) => backup.id === about);
    assert.ok(isNamed, `${name} is left over`);
  }
}
