/**
 * Removes backups of a repository: their snapshots, then their records (I3). The space
 * is freed by prune, which sees what other backups still need.
 *
 * @module
 */

import type { Backup } from "../../domain/backup.ts";
import { BackupError } from "../../domain/error.ts";
import type { BackupRemover } from "../vault.ts";
import { listBackups } from "./list-backups.ts";
import { backupIds, type LoadedSnapshots, loadSnapshots } from "./maintenance/load-snapshots.ts";
import type { RepositoryLock } from "./locks/repository-lock.ts";
import { removeObjects } from "./objects.ts";
import { orphanRecords } from "./orphan-records.ts";
import { listRecordNames } from "./records.ts";
import type { Repository } from "./repository.ts";

/** Names removed between two looks at the lock: seconds at most, on any storage. */
const namesAtOnce = 64;

export class RepositoryBackupRemover implements BackupRemover {
  readonly #repo: Repository;
  readonly #lock: RepositoryLock;

  /** @param lock Exclusive, and held for as long as this is used */
  constructor(repo: Repository, lock: RepositoryLock) {
    this.#repo = repo;
    this.#lock = lock;
  }

  list(signal: AbortSignal): Promise<readonly Backup[]> {
    return listBackups(this.#repo, signal);
  }

  async remove(ids: readonly string[], signal: AbortSignal): Promise<void> {
    const wanted = new Set(ids);
    const backups = (await this.list(signal)).filter(({ id }) => wanted.has(id));
    const foreign = backups.find((backup) => backup.neverRemoved === true);
    if (foreign !== undefined) throw notOurs(foreign.id);
    const present = new Set(backups.map(({ id }) => id));
    const loaded = await loadSnapshots(this.#repo, signal);
    const named = [...backupIds(loaded.snapshots)].filter(([, backup]) => present.has(backup));
    const snapshots = named.map(([snapshot]) => snapshot);
    for (let i = 0; i < snapshots.length; i += namesAtOnce) {
      // I7: a machine that was suspended half way must not go on removing what others may hold by now.
      await this.#lock.assertHeld(signal);
      await removeObjects(this.#repo, "snapshots", snapshots.slice(i, i + namesAtOnce), signal);
    }
    await this.#removeRecords(wanted, loaded, signal);
  }

  /** Also those of backups that are gone already: the run that removed them may have died before this, or was restic's. */
  async #removeRecords(
    backups: ReadonlySet<string>,
    before: LoadedSnapshots,
    signal: AbortSignal,
  ): Promise<void> {
    const names = await listRecordNames(this.#repo, signal);
    const removed = names.filter(({ backupId }) => backupId !== undefined && backups.has(backupId));
    const going = new Set([...removed, ...orphanRecords(names, before)].map(({ name }) => name));
    if (going.size === 0) return;
    await this.#lock.assertHeld(signal);
    await this.#repo.storage.remove([...going], signal);
  }
}

function notOurs(id: string): BackupError {
  return new BackupError("unsupported", `Cannot remove ${id}: this program did not make it`, {
    hint: "Remove it with the program that made it, for example restic forget.",
  });
}
