/**
 * What is in the vault that is copied into, looked at again as the copy goes on:
 * another run may copy the same backups at the same time.
 *
 * @module
 */

import type { Backup } from "../../domain/backup.ts";
import { BackupError } from "../../domain/error.ts";
import type { Vault } from "../../vault/vault.ts";
import { CopiedAlready } from "./copied-already.ts";

export class CopyTarget {
  readonly #vault: Vault;
  /** Names that the list below knows, and maybe more. */
  #names: Set<string>;
  #backups: Backup[];
  #there: CopiedAlready;

  private constructor(vault: Vault, names: ReadonlySet<string>, backups: readonly Backup[]) {
    this.#vault = vault;
    this.#names = new Set(names);
    this.#backups = [...backups];
    this.#there = new CopiedAlready(backups);
  }

  static async open(vault: Vault, signal: AbortSignal): Promise<CopyTarget> {
    // Names first: what comes between the two looks is then seen as new once more.
    const names = await vault.listNames(signal);
    return new CopyTarget(vault, names, await vault.list(signal));
  }

  /** The copy of a backup, as far as is known without another look. */
  find(backup: Backup): Backup | undefined {
    return this.#there.find(backup);
  }

  /** The same after another look, which is cheap where nothing has come since. */
  async lookFor(backup: Backup, signal: AbortSignal): Promise<Backup | undefined> {
    const names = await this.#vault.listNames(signal);
    if (!names.isSubsetOf(this.#names)) {
      this.#backups = [...(await this.#vault.list(signal))];
      this.#there = new CopiedAlready(this.#backups);
      this.#names = new Set(names);
    }
    return this.find(backup);
  }

  /**
   * Call just before a copy becomes visible. What remains is the moment between the two.
   *
   * @throws {BackupError} `exists` if another run has copied it meanwhile
   */
  async refuseSecond(backup: Backup, signal: AbortSignal): Promise<void> {
    if ((await this.lookFor(backup, signal)) === undefined) return;
    throw new BackupError("exists", `Cannot copy ${backup.id}: another run has copied it meanwhile`);
  }

  /** Is there a backup of this id? */
  hasId(id: string): boolean {
    return this.#backups.some((backup) => backup.id === id);
  }

  /** A copy that this run has made. */
  add(copy: Backup): void {
    this.#names.add(copy.snapshotId ?? copy.id);
    this.#backups.push(copy);
  }
}
