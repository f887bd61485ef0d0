/**
 * What a vault is known to hold: every backup that was listed once, and which
 * generation of the app it is.
 *
 * @module
 */

import { rmSync } from "node:fs";
import { join } from "node:path";
import { createBackupManager } from "../../src/app/create-backup-manager.ts";
import type { Backup } from "../../src/domain/backup.ts";
import type { BackupManager } from "../../src/operations/backup-manager.ts";
import { checkState } from "./app-state.ts";
import { type CrashVault, crashConfig } from "./config.ts";

interface KnownBackup {
  readonly backup: Backup;
  /** Undefined until it was restored for the first time. */
  generation: number | undefined;
}

/** How many backups rotation keeps. */
const kept = 3;

export class VaultLedger {
  readonly #sandbox: string;
  #vault: CrashVault;
  readonly #known = new Map<string, KnownBackup>();
  /** Restores that gave back everything. */
  restored = 0;

  constructor(sandbox: string, vault: CrashVault) {
    this.#sandbox = sandbox;
    this.#vault = vault;
  }

  get vault(): CrashVault {
    return this.#vault;
  }

  /** How many backups there are that rotation counts. */
  get counted(): number {
    return this.#countedBackups().length;
  }

  get ids(): readonly string[] {
    return [...this.#known.keys()];
  }

  usePassword(password: string): void {
    this.#vault = { ...this.#vault, password };
  }

  manager(): BackupManager {
    return createBackupManager(crashConfig(this.#sandbox, this.#vault));
  }

  /**
   * Compares what is listed with what is known, and restores what is new and `sample` in full.
   *
   * @param rotated Was rotation at work? Nothing else may ever make a backup vanish
   * @throws {Error} naming the first loss
   */
  async check(manager: BackupManager, rotated: boolean, sample: string | undefined): Promise<void> {
    const listed = new Map((await manager.listBackups()).map((backup) => [backup.id, backup]));
    const mayGo = rotated ? this.#beyondRotation() : new Set<string>();
    for (const id of this.ids) {
      if (listed.has(id)) continue;
      if (!mayGo.has(id)) throw new Error(`${id} of ${this.#vault.name} is gone`);
      this.#known.delete(id);
    }
    refuseTwins([...listed.values()], this.#vault);
    for (const [id, backup] of listed) {
      const isNew = !this.#known.has(id);
      if (isNew) this.#known.set(id, { backup, generation: undefined });
      if (isNew || id === sample) await this.restoreInFull(manager, id);
    }
  }

  /** @throws {Error} where it does not agree with itself, or is not what it was */
  async restoreInFull(manager: BackupManager, id: string): Promise<void> {
    const target = join(this.#sandbox, "restored");
    rmSync(target, { recursive: true, force: true });
    await manager.restoreBackup({ backup: id, target });
    const generation = checkState(join(target, "app.db"), join(target, "uploads"));
    await manager.discardPreviousState();
    const known = this.#known.get(id);
    if (known !== undefined) {
      known.generation ??= generation;
      if (known.generation !== generation)
        throw new Error(`${id} was generation ${known.generation}, and is ${generation}`);
    }
    this.restored++;
  }

  /** Those that rotation may remove: it keeps the newest, and never touches safety backups. */
  #beyondRotation(): ReadonlySet<string> {
    const counted = this.#countedBackups();
    counted.sort((a, b) => b.startedAtMs - a.startedAtMs || (a.id < b.id ? 1 : -1));
    return new Set(counted.slice(kept).map(({ id }) => id));
  }

  #countedBackups(): Backup[] {
    return [...this.#known.values()].map(({ backup }) => backup).filter(({ safety }) => !safety);
  }
}

/** A copy that was cut short and started again must not be there twice. */
function refuseTwins(listed: readonly Backup[], { name }: CrashVault): void {
  const origins = listed.flatMap(({ copiedFrom }) => (copiedFrom === undefined ? [] : [copiedFrom.id]));
  const twin = origins.find((id, i) => origins.indexOf(id) !== i);
  if (twin !== undefined) throw new Error(`${twin} was copied to ${name} twice`);
}
