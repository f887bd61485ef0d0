/**
 * `find`: where something is, in all backups or some of them.
 *
 * @module
 */

import type { Backup, BackupDatabase } from "../../domain/backup.ts";
import {
  type ByteString,
  byteStringFromText,
  byteStringToUtf8,
  unescapePattern,
} from "../../domain/byte-string.ts";
import type { StoredEntry } from "../../domain/entry.ts";
import { isBackupError } from "../../domain/error.ts";
import { type Glob, parseGlob } from "../../domain/glob.ts";
import { checkValue, text } from "../../domain/option-rule.ts";
import type { BackupReader } from "../../vault/vault.ts";
import type { OperationContext } from "../context.ts";
import { listBackups } from "../list-backups.ts";
import type { Started } from "../requests.ts";
import type { BackupEntry, BackupEntryKind, FindEntriesRequest, FoundEntry } from "./browse-requests.ts";
import { describeDatabase, describeEntry, fullPath } from "./describe-entry.ts";
import { openNamedBackup } from "./open-backup.ts";

/**
 * What matches, newest backup first, in each of them in its order. A backup that cannot be read
 * is a warning where it was not named.
 *
 * @throws {BackupError} `invalid-input` for a pattern that makes no sense; `not-found`, `damaged` for a backup that was named
 */
export async function* findEntries(
  context: OperationContext,
  request: Started<FindEntriesRequest>,
): AsyncGenerator<FoundEntry> {
  checkValue(request.pattern, "the pattern", text);
  const search = new Search(request);
  if (request.backups !== undefined) {
    for (const reference of request.backups) {
      const { source, type, signal } = request;
      await using reader = await openNamedBackup(context, reference, { source, type, signal });
      yield* search.within(reader);
    }
    return;
  }
  const backups = await listBackups(context, request);
  for (const [index, backup] of backups.entries()) {
    request.signal.throwIfAborted();
    const [itemsDone, itemsTotal] = [index, backups.length];
    request.observer.progress({ phase: "scan", bytesDone: 0, itemsDone, itemsTotal, current: backup.id });
    yield* searchOne(context, search, backup, request);
  }
}

async function* searchOne(
  context: OperationContext,
  search: Search,
  backup: Backup,
  { signal, observer, onUnsearched }: Started<FindEntriesRequest>,
): AsyncGenerator<FoundEntry> {
  try {
    await using reader = await context.vault.open(backup.id, signal);
    yield* search.within(reader);
  } catch (error) {
    // Rotated away meanwhile, or one that verify has more to say about.
    if (!isBackupError(error, "not-found", "damaged", "unsupported", "unsafe")) throw error;
    observer.warning(`${backup.id} could not be searched: ${error.message}`);
    // Where it is gone there is nothing to look after.
    if (error.kind !== "not-found") onUnsearched?.(backup);
  }
}

/** One pattern with its filters, over one backup after the other. */
class Search {
  readonly #request: Started<FindEntriesRequest>;
  readonly #glob: Glob;
  readonly #kinds: ReadonlySet<BackupEntryKind> | undefined;
  /** Paths that a newer backup had; only with `newest`. */
  readonly #seen = new Set<string>();

  constructor(request: Started<FindEntriesRequest>) {
    this.#request = request;
    this.#glob = parseGlob(unescapePattern(request.pattern), request.ignoreCase);
    this.#kinds = request.kinds === undefined ? undefined : new Set(request.kinds);
  }

  async *within(reader: BackupReader): AsyncGenerator<FoundEntry> {
    const { backup } = reader;
    const { signal } = this.#request;
    const bases = new Map(backup.roots.map(({ name, path }) => [name, byteStringFromText(path)]));
    for (const database of backup.databases) {
      if (this.#isWantedDatabase(database)) yield* this.#found(backup, describeDatabase(backup, database));
    }
    for await (const entry of reader.entries(signal)) {
      signal.throwIfAborted();
      if (this.#isWanted(entry, bases.get(entry.root))) yield* this.#found(backup, describeEntry(entry));
    }
  }

  *#found(backup: Backup, entry: BackupEntry): Generator<FoundEntry> {
    if (this.#request.newest === true) {
      if (this.#seen.has(entry.path)) return;
      this.#seen.add(entry.path);
    }
    yield { backup, entry };
  }

  #isWantedDatabase({ name, path }: BackupDatabase): boolean {
    if (this.#kinds?.has("database") === false || this.#glob.foldersOnly) return false;
    return this.#glob.matches(name) || (this.#glob.anchored && this.#glob.matches(path.replace(/^\/+/, "")));
  }

  #isWanted(entry: StoredEntry, base: ByteString | undefined): boolean {
    if (this.#kinds?.has(entry.kind) === false) return false;
    if (this.#glob.foldersOnly && entry.kind !== "directory") return false;
    if (this.#glob.matches(textOf(fullPath(entry)))) return true;
    if (!this.#glob.anchored || base === undefined) return false;
    const absolute = entry.path === "" ? base : `${base}/${entry.path}`;
    return this.#glob.matches(textOf(absolute as ByteString).replace(/^\/+/, ""));
  }
}

/** Names that are not UTF-8 are matched as if their bytes were Latin-1. */
function textOf(path: ByteString): string {
  return byteStringToUtf8(path) ?? path;
}
