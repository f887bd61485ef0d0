/**
 * The passwords of a repository. The key in use is never removed, nor the last one, and
 * a new one is durable and was opened once before the old one goes.
 *
 * @module
 */

import { BackupError } from "../../domain/error.ts";
import { openKeyFile, type ScryptCost } from "../../format/restic/keys.ts";
import type { ObjectId } from "../../format/restic/model.ts";
import type { KeyOwner, KeyRing, VaultKey } from "../maintenance.ts";
import type { LockOptions } from "../vault.ts";
import { addKey, loadKeys } from "./key-files.ts";
import { acquireLock } from "./locks/acquire-lock.ts";
import type { RepositoryLock } from "./locks/repository-lock.ts";
import { removeObjects } from "./objects.ts";
import type { Repository } from "./repository.ts";

export interface KeyRingOptions {
  /** For tests: weaker than any production key. */
  readonly keyCost?: ScryptCost | undefined;
}

export class RepositoryKeyRing implements KeyRing {
  readonly #repo: Repository;
  readonly #options: KeyRingOptions;
  /** The key that was used to open the repository, or took its place. */
  #currentId: ObjectId;

  constructor(repo: Repository, options: KeyRingOptions = {}) {
    this.#repo = repo;
    this.#options = options;
    this.#currentId = repo.keyId;
  }

  async list(signal: AbortSignal): Promise<readonly VaultKey[]> {
    const { keys, unreadable } = await loadKeys(this.#repo, signal);
    const readable = keys.map(({ id, document }) => ({
      id,
      current: id === this.#currentId,
      createdAt: document.created,
      username: document.username,
      host: document.hostname,
    }));
    const unknown = { current: false, createdAt: "", username: "", host: "" };
    const all = [...readable, ...unreadable.map(({ id }) => ({ id, ...unknown }))];
    return all.sort((a, b) => (a.createdAt < b.createdAt ? -1 : a.createdAt > b.createdAt ? 1 : 0));
  }

  async add(password: string, who: KeyOwner, signal: AbortSignal): Promise<string> {
    await using _ = await this.#lock(false, who, signal);
    return await this.#add(password, who, signal);
  }

  async remove(id: string, options: LockOptions, signal: AbortSignal): Promise<void> {
    // I7: two removals at once could leave no key at all.
    await using lock = await this.#lock(true, options, signal);
    const keys = await this.list(signal);
    const wanted = this.#choose(keys, id);
    if (wanted.current) {
      throw new BackupError("unsafe", `Cannot remove key ${wanted.id}: the vault was opened with it`, {
        hint: "Open the vault with another password, or replace this one with key passwd.",
      });
    }
    this.#requireCurrent(keys);
    await lock.assertHeld(signal);
    await removeObjects(this.#repo, "keys", [wanted.id], signal);
  }

  async changePassword(password: string, who: KeyOwner, signal: AbortSignal): Promise<string> {
    await using lock = await this.#lock(true, who, signal);
    const oldId = this.#currentId;
    const id = await this.#add(password, who, signal);
    await lock.assertHeld(signal);
    this.#currentId = id;
    await removeObjects(this.#repo, "keys", [oldId], signal);
    return id;
  }

  /** A key that does not open what it should is worse than none: it is tried before anybody relies on it. */
  async #add(password: string, who: KeyOwner, signal: AbortSignal): Promise<ObjectId> {
    const { username, host } = who;
    const wanted = { password, username, host, cost: this.#options.keyCost };
    const id = await addKey(this.#repo, this.#repo.key, wanted, signal);
    const stored = (await loadKeys(this.#repo, signal)).keys.find((key) => key.id === id);
    const opened = stored && (await openKeyFile(stored.document, password));
    if (opened !== undefined && Buffer.from(this.#repo.key.encrypt).equals(opened.encrypt)) return id;
    await removeObjects(this.#repo, "keys", [id], signal);
    throw new BackupError("damaged", `Cannot add a key to ${this.#repo.storage.location}: it does not open`, {
      hint: "What was stored is not what was written; check the disk or the network.",
    });
  }

  #choose(keys: readonly VaultKey[], id: string): VaultKey {
    const found = keys.filter((key) => id !== "" && key.id.startsWith(id));
    const [first] = found;
    if (first !== undefined && found.length === 1) return first;
    const state = first === undefined ? "there is none" : `${found.length} keys begin like that`;
    throw new BackupError("not-found", `Cannot remove key ${JSON.stringify(id)}: ${state}`, {
      hint: "key list shows the ids of all keys.",
    });
  }

  /** Somebody may have removed it since; then the one that is to go may be the last. */
  #requireCurrent(keys: readonly VaultKey[]): void {
    if (keys.some((key) => key.current)) return;
    throw new BackupError(
      "unsafe",
      `Cannot remove a key of ${this.#repo.storage.location}: the one it was opened with is gone`,
      { hint: "Open the vault again, so that it is certain that another key opens it." },
    );
  }

  #lock(
    exclusive: boolean,
    { lockWaitMs, observer }: LockOptions,
    signal: AbortSignal,
  ): Promise<RepositoryLock> {
    return acquireLock(this.#repo, { exclusive, lockWaitMs, observer }, signal);
  }
}
