/**
 * The fault sweep of a repository vault: what is swept, and the laws that hold after
 * any interruption (I1 to I3, I8).
 *
 * @module
 */

import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { BackupType } from "../domain/backup.ts";
import { MemoryStorage } from "../storage/memory-storage.ts";
import type { Storage } from "../storage/storage.ts";
import type { Vault } from "../vault/vault.ts";
import { openTestRepositoryVault } from "./repository-vault-places.ts";
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

/** What a sweep starts from: a vault with two backups that share bytes, in a storage that can be copied. */
interface Template {
  readonly folder: string;
  readonly objects: Objects;
  /** What each backup gives back, the older one first. */
  readonly earlier: ReadonlyMap<string, Content>;
}

/** Between the storage and the vault; stands for an error in our code. */
type Sabotage = (storage: Storage) => Storage;

export interface RepositorySweepOptions {
  readonly sabotage?: Sabotage;
  /** As `FaultSweep.every`. */
  readonly every?: number;
  /** As `FaultSweep.spare`: how many packs a run makes is left to chance. */
  readonly spare?: number;
}

/** Sweeps over making one backup. The laws are checked after each interruption; throws where one is broken. */
export async function sweepCreate(
  type: BackupType,
  options: RepositorySweepOptions = {},
): Promise<SweepResult> {
  return await sweep({
    ...options,
    run: async (vault, template) => {
      const [parent] = template.earlier.keys();
      const begun = beginOptions({ type, parent, startedAtMs: noonMs + 3_600_000 });
      const writer = await vault.begin(begun, signal);
      try {
        await writeProbe(vault, writer, template.folder, { type, version: 9 });
        await writer.finish(summary(), signal);
      } catch (error) {
        await writer.abort();
        throw error;
      }
    },
    check: async (after) => {
      await assertUntouched(after.storage, after.template.objects);
      const added = after.listed.filter((id) => !after.template.earlier.has(id));
      assert.ok(added.length <= 1);
      if (after.error === undefined) assert.equal(added.length, 1, "what finished is listed");
      for (const id of added) {
        const found = await readAllOf(after.vault, id);
        assert.equal(found.size, (type === "storage" ? 0 : 1) + (type === "database" ? 0 : 6));
      }
    },
    keeps: ({ earlier }) => [...earlier.keys()],
  });
}

/** Sweeps over removing the older of two backups. */
export async function sweepRemove(options: RepositorySweepOptions = {}): Promise<SweepResult> {
  return await sweep({
    ...options,
    run: async (vault, { earlier }) => {
      const [older = ""] = earlier.keys();
      await vault.exclusively((remover) => remover.remove([older], signal), noWait, signal);
    },
    check: async ({ template, error, listed }) => {
      const [older = ""] = template.earlier.keys();
      if (error === undefined) assert.ok(!listed.includes(older), "it is gone");
    },
    keeps: ({ earlier }) => [...earlier.keys()].slice(1),
  });
}

interface After {
  readonly template: Template;
  readonly storage: Storage;
  /** As the survivor has it. */
  readonly vault: Vault;
  readonly error: unknown;
  readonly listed: readonly string[];
}

interface Scene extends RepositorySweepOptions {
  readonly run: (vault: Vault, template: Template) => Promise<void>;
  readonly check: (after: After) => Promise<void>;
  /** Backups that are listed whatever happens. */
  readonly keeps: (template: Template) => readonly string[];
}

async function sweep(scene: Scene): Promise<SweepResult> {
  return await withTemplate(async (template) => {
    const machines = { current: new TestMachine() };
    const { every = 1, spare = 0, sabotage = (one) => one } = scene;
    return await sweepFaults({
      every,
      spare,
      open: async () => {
        machines.current = new TestMachine();
        return await openWith(template.objects);
      },
      scenario: async (storage) => {
        const process = machines.current.process(victim);
        const vault = await openTestRepositoryVault(sabotage(storage), process, false);
        await scene.run(vault, template);
      },
      check: async ({ storage, error }) => {
        const vault = await openTestRepositoryVault(storage, machines.current.process(survivor), false);
        const backups = await vault.list(signal);
        for (const { id, state, stateReason } of backups)
          assert.equal(state, "good", `${id}: ${stateReason}`);
        const listed = backups.map(({ id }) => id);
        for (const id of scene.keeps(template)) assert.ok(listed.includes(id), `${id} is still listed`);
        await assertReadable(vault, template, listed);
        await scene.check({ template, storage, vault, error, listed });
        machines.current.kill(victim);
        await assertCleanable(vault, template, listed);
      },
    });
  });
}

async function assertReadable(vault: Vault, { earlier }: Template, listed: readonly string[]): Promise<void> {
  for (const id of listed) {
    const content = earlier.get(id);
    if (content !== undefined) assert.deepEqual(await readAllOf(vault, id), content);
  }
}

/** Once the victim is gone, cleaning frees its lock, and a prune everything that no backup needs (I8). */
async function assertCleanable(vault: Vault, template: Template, listed: readonly string[]): Promise<void> {
  await vault.clean(signal);
  const { maintenance } = vault;
  assert.ok(maintenance !== undefined);
  assert.deepEqual(await maintenance.locks(signal), []);
  const options = { ...noWait, maxUnusedPercent: 0, dryRun: false, confirm: async () => true };
  await maintenance.prune(options, signal);
  const report = await maintenance.check({ ...noWait, readData: "all" }, signal);
  assert.deepEqual([report.damages, report.notes], [[], []]);
  assert.deepEqual(
    (await vault.list(signal)).map(({ id }) => id),
    listed,
  );
  await assertReadable(vault, template, listed);
}

async function withTemplate<T>(use: (template: Template) => Promise<T>): Promise<T> {
  const folder = await mkdtemp(join(tmpdir(), "vertex-sweep-"));
  try {
    const storage = new MemoryStorage();
    const vault = await openTestRepositoryVault(storage, new TestMachine().process(survivor));
    const earlier = new Map<string, Content>();
    for (const i of [0, 1]) {
      const { backup, content } = await backUp(vault, folder, {
        startedAtMs: noonMs + i * 60_000,
        version: i + 1,
      });
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
