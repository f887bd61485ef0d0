/**
 * A backup without what is damaged in it, for `--skip-damaged`: everything is read
 * once beforehand, and what that finds is not there for the restore that follows.
 *
 * @module
 */

import type { Backup, Problem } from "../../domain/backup.ts";
import type { StoredEntry } from "../../domain/entry.ts";
import { BackupError, isBackupError } from "../../domain/error.ts";
import { displayEntryPath } from "../../source/tree/entry-path.ts";
import type { ByteRange } from "../../storage/storage.ts";
import type { BackupReader, Damage, EntersFolder, EntryWithContent, WantedParts } from "../../vault/vault.ts";
import type { OperationContext } from "../context.ts";
import type { RestoreRequest, Started } from "../requests.ts";
import { openScratch } from "../scratch.ts";

/** By path, as `<folder name>/<path>` or `<database name>`: what is wrong with it. */
export type DamagedPaths = ReadonlyMap<string, Damage>;

/**
 * Refuses to leave anything out where that would take away what is there.
 *
 * @throws {BackupError} `invalid-input`
 */
export function requireAside({ backup, target, skipDamaged }: RestoreRequest, isStored: boolean): void {
  if (skipDamaged !== true) return;
  if (target === undefined) {
    throw new BackupError(
      "invalid-input",
      `Cannot restore ${backup} in place without what is damaged: the files that are there now would be removed`,
      { hint: "Restore into another folder with --target." },
    );
  }
  if (isStored) return;
  throw new BackupError(
    "invalid-input",
    `Cannot restore ${backup} without what is damaged: nothing tells what a file outside of a vault held`,
  );
}

/** Reads all that is wanted of a backup, and tells what of it cannot be restored. */
export async function findDamaged(
  context: OperationContext,
  reader: BackupReader,
  only: RestoreRequest["only"],
  { observer, signal }: Started<RestoreRequest>,
): Promise<DamagedPaths> {
  const damaged = new Map<string, Damage>();
  for (const { name } of only === "storage" ? [] : reader.backup.databases) {
    const message = await databaseDamage(reader, name, signal);
    if (message !== undefined) damaged.set(name, { object: name, path: name, message });
  }
  if (only === "database") return damaged;
  await using scratch = await openScratch(context);
  const options = {
    depth: "content",
    only: "storage",
    observer,
    scratchDirectory: scratch.directory,
    checkDatabase: () => Promise.resolve([]),
    onDamage: (damage: Damage) => {
      if (damage.path !== undefined && !damaged.has(damage.path)) damaged.set(damage.path, damage);
    },
  } as const;
  await context.vault.verify(reader.backup.id, options, signal);
  return damaged;
}

async function databaseDamage(
  reader: BackupReader,
  name: string,
  signal: AbortSignal,
): Promise<string | undefined> {
  try {
    for await (const _ of reader.readDatabase(name, signal)) signal.throwIfAborted();
    return undefined;
  } catch (error) {
    if (!isBackupError(error, "damaged", "not-found")) throw error;
    return error.message;
  }
}

/** Reads a backup as if what is damaged had never been in it, and remembers what was asked for of that. */
export class ReaderWithoutDamaged implements BackupReader {
  readonly backup: Backup;
  readonly #reader: BackupReader;
  readonly #damaged: DamagedPaths;
  readonly #passedOver = new Map<string, Damage>();

  constructor(reader: BackupReader, damaged: DamagedPaths) {
    this.#reader = reader;
    this.#damaged = damaged;
    const databases = reader.backup.databases.filter(({ name }) => !this.#passOver(name, damaged.get(name)));
    this.backup = { ...reader.backup, databases };
  }

  readDatabase(name: string, signal: AbortSignal): AsyncIterable<Uint8Array> {
    return this.#reader.readDatabase(name, signal);
  }

  async *entries(signal: AbortSignal, enters?: EntersFolder): AsyncIterable<StoredEntry> {
    for await (const entry of this.#reader.entries(signal, this.#entersWhole(enters))) {
      if (this.#isWhole(entry)) yield entry;
    }
  }

  read(entry: StoredEntry, range: ByteRange | undefined, signal: AbortSignal): AsyncIterable<Uint8Array> {
    return this.#reader.read(entry, range, signal);
  }

  contents(
    select: (entry: StoredEntry) => boolean,
    signal: AbortSignal,
    enters?: EntersFolder,
  ): AsyncIterable<EntryWithContent> {
    const selectWhole = (entry: StoredEntry): boolean => this.#isWhole(entry) && select(entry);
    return this.#reader.contents(selectWhole, signal, this.#entersWhole(enters));
  }

  /** An archive that was cut short still holds the files before the cut. */
  async findLost(parts: WantedParts, signal: AbortSignal): Promise<readonly string[]> {
    const files = parts.files === "all" ? "some" : parts.files;
    return (await this.#reader.findLost?.({ ...parts, files }, signal)) ?? [];
  }

  /** What is damaged of what was asked for: databases, and the folders and files that reads have met so far. */
  passedOver(): readonly Damage[] {
    return [...this.#passedOver.values()];
  }

  leftOut(): readonly Problem[] {
    return this.#reader.leftOut?.() ?? [];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#reader[Symbol.asyncDispose]();
  }

  /** Of folders only what is in them can be damaged: of an archive, where their own entry needs none of its bytes. */
  #isWhole({ root, path, kind, hardLinkTo }: StoredEntry): boolean {
    if (kind !== "file") return true;
    const shown = displayEntryPath(root, path);
    const first = hardLinkTo === undefined ? shown : displayEntryPath(root, hardLinkTo);
    return !this.#passOver(shown, this.#damaged.get(shown) ?? this.#damaged.get(first));
  }

  /** A folder of a repository is damaged where what lists it is: nothing in it can be found. */
  #entersWhole(enters: EntersFolder = () => true): EntersFolder {
    return (folder) => {
      const shown = displayEntryPath(folder.root, folder.path);
      return !this.#passOver(shown, this.#damaged.get(shown)) && enters(folder);
    };
  }

  #passOver(path: string, damage: Damage | undefined): boolean {
    if (damage !== undefined) this.#passedOver.set(path, { ...damage, path });
    return damage !== undefined;
  }
}
