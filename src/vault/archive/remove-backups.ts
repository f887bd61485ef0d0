/**
 * Removes backups, and what runs that are gone left of theirs: names first, then
 * bytes (I3), and only objects that no other backup names.
 *
 * @module
 */

import type { Backup } from "../../domain/backup.ts";
import { BackupError } from "../../domain/error.ts";
import {
  type BackupName,
  backupId,
  metadataName,
  parseBackupId,
  partTypes,
} from "../../format/archive/file-names.ts";
import type { Storage } from "../../storage/storage.ts";
import type { BackupRemover } from "../vault.ts";
import { type BackupGroup, type BackupGroups, listGroups } from "./backup-groups.ts";
import { boundedMap } from "../bounded-map.ts";
import { listBackups } from "./list-backups.ts";
import { loadMetadata, whyUnreadable } from "./load-metadata.ts";
import type { RecordIndex } from "../recorded-facts.ts";
import { indexRecords } from "./recorded-facts.ts";
import { reservesMax } from "./locks/run-document.ts";
import type { RunLock } from "./locks/run-lock.ts";

/** Names removed between two looks at the lock: seconds at most, on any storage. */
const namesAtOnce = 64;

/** Settling has a signal of its own, because the removal's is often the one that was aborted. */
const settleTimeoutMs = 60_000;

export class ArchiveBackupRemover implements BackupRemover {
  readonly #storage: Storage;
  readonly #lock: RunLock;
  /** Removals that were announced and did not end. */
  #unsettled: readonly string[] = [];

  /** @param lock Exclusive, and held for as long as this is used */
  constructor(storage: Storage, lock: RunLock) {
    this.#storage = storage;
    this.#lock = lock;
  }

  list(signal: AbortSignal): Promise<readonly Backup[]> {
    return listBackups(this.#storage, signal);
  }

  async remove(ids: readonly string[], signal: AbortSignal): Promise<void> {
    const wanted = [...new Set(ids)];
    const present = await boundedMap(wanted, (id) => this.#isOurs(id, signal), signal);
    const ours = wanted.filter((_, i) => present[i]);
    for (let i = 0; i < ours.length; i += reservesMax) {
      signal.throwIfAborted();
      await this.#removeBatch(ours.slice(i, i + reservesMax), signal);
    }
  }

  async #removeBatch(ids: readonly string[], signal: AbortSignal): Promise<void> {
    const [groups, records] = await Promise.all([
      listGroups(this.#storage, signal),
      indexRecords(this.#storage, signal),
    ]);
    // I8: said durably first, so that what is left of a removal that is cut short stays invisible and is cleaned.
    this.#unsettled = ids;
    await this.#lock.reserve(ids, signal);
    for (let i = 0; i < ids.length; i += namesAtOnce) {
      // I7: a machine that was suspended half way must not go on removing what others may hold by now.
      await this.#lock.assertHeld(signal);
      await this.#storage.remove(ids.slice(i, i + namesAtOnce).map(metadataName), signal);
    }
    await removeLeftovers(this.#storage, ids, { groups, records }, signal);
    this.#unsettled = [];
  }

  /**
   * Ends a removal that failed or was aborted half way: backups whose name is gone lose their bytes too.
   * Never throws. False if that failed as well; then the reservation has to stay.
   */
  async settle(): Promise<boolean> {
    if (this.#unsettled.length === 0) return true;
    const signal = AbortSignal.timeout(settleTimeoutMs);
    try {
      await this.#lock.assertHeld(signal);
      await removeUnnamed(this.#storage, this.#unsettled, signal);
      return true;
    } catch {
      return false;
    }
  }

  /** False where it is gone already. @throws {BackupError} `unsupported` for what is never removed (I5) */
  async #isOurs(id: string, signal: AbortSignal): Promise<boolean> {
    const name = parseBackupId(id);
    if (name === undefined)
      throw new BackupError("invalid-input", `Cannot remove "${id}": it is not a backup's id`);
    const loaded = await loadMetadata(this.#storage, id, signal);
    const parsed = loaded?.parsed ?? { outcome: "foreign" };
    if (parsed.outcome === "ours") {
      if (parsed.metadata.partOf === undefined) return true;
      throw refusal(id, `it is a part of ${parsed.metadata.partOf}`);
    }
    if (parsed.outcome !== "foreign") throw refusal(id, whyUnreadable(id, parsed));
    const groups = await listGroups(this.#storage, signal);
    if ((groups.get(id)?.data.length ?? 0) > 0) throw refusal(id, "this program did not make it");
    return false;
  }
}

function refusal(id: string, reason: string): BackupError {
  return new BackupError("unsupported", `Cannot remove ${id}: ${reason}`, {
    hint: "What this program did not make, or cannot read, has to be removed by hand.",
  });
}

/**
 * Removes what is left of those of the backups whose own metadata is not there. One whose metadata is
 * there is complete (I1), or its removal never began (I3). Returns how many objects it removed.
 *
 * @param keep Names of objects that are somebody else's
 */
export async function removeUnnamed(
  storage: Storage,
  ids: readonly string[],
  signal: AbortSignal,
  keep: ReadonlySet<string> = new Set(),
): Promise<number> {
  const unnamed: string[] = [];
  for (const id of ids) {
    if ((await storage.stat(metadataName(id), signal)) === undefined) unnamed.push(id);
  }
  if (unnamed.length === 0) return 0;
  const [groups, records] = await Promise.all([listGroups(storage, signal), indexRecords(storage, signal)]);
  return removeLeftovers(storage, unnamed, { groups, records, keep }, signal);
}

/** What was in the vault before the first object went. */
interface VaultContent {
  readonly groups: BackupGroups;
  readonly records: RecordIndex;
  /** What of it is somebody else's. */
  readonly keep?: ReadonlySet<string>;
}

/**
 * Removes all that is left of backups whose own metadata is gone or never was. The caller holds the
 * vault exclusively, and a run has reserved the ids. Returns how many objects it removed.
 */
async function removeLeftovers(
  storage: Storage,
  ids: readonly string[],
  content: VaultContent,
  signal: AbortSignal,
): Promise<number> {
  const names: string[] = [];
  const bytes: string[] = [];
  const records: string[] = [];
  for (const id of ids) {
    const name = parseBackupId(id);
    if (name === undefined) continue;
    for (const group of await ownGroups(storage, name, content.groups, signal)) {
      if (group.metadata !== undefined && group.id !== id) names.push(group.metadata.name);
      bytes.push(...group.data.map((object) => object.name).filter((own) => content.keep?.has(own) !== true));
    }
    records.push(...(content.records.get(id) ?? []).map((record) => record.name));
  }
  for (const batch of [names, bytes, records]) {
    signal.throwIfAborted();
    if (batch.length > 0) await storage.remove(batch, signal);
  }
  return names.length + bytes.length + records.length;
}

/** The groups that make up a backup; never one that is a backup of its own and only shares the stamp. */
async function ownGroups(
  storage: Storage,
  name: BackupName,
  groups: BackupGroups,
  signal: AbortSignal,
): Promise<readonly BackupGroup[]> {
  const id = backupId(name.type, name.stamp);
  const own: BackupGroup[] = [];
  for (const type of partTypes(name.type)) {
    const group = groups.get(backupId(type, name.stamp));
    if (group === undefined) continue;
    if (group.id !== id && group.metadata !== undefined) {
      const parsed = (await loadMetadata(storage, group.id, signal))?.parsed;
      const isPart = parsed?.outcome === "ours" && parsed.metadata.partOf === id;
      // A part whose document is unreadable is kept: nothing proves whose it is.
      if (parsed !== undefined && !isPart) continue;
    }
    own.push(group);
  }
  return own;
}
