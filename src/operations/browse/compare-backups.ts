/**
 * `compare`: what differs between two backups, of one vault or of two.
 *
 * @module
 */

import type { Backup } from "../../domain/backup.ts";
import { compareEntryPaths, type StoredEntry } from "../../domain/entry.ts";
import type { BackupReader } from "../../vault/vault.ts";
import type { OperationContext } from "../context.ts";
import type { Started } from "../requests.ts";
import type { CompareRequest, EntryDifference } from "./browse-requests.ts";
import { compareDatabases } from "./compare-databases.ts";
import { type Comparison, compareEntries, describeDifference } from "./compare-entries.ts";
import { sameBytes } from "./compare-bytes.ts";
import { openNamedBackup } from "./open-backup.ts";

/** Reports of progress are worth their cost only every so many entries. */
const progressEveryEntries = 4096;

/** Both backups, opened, and whether their vault is the same: then equal ids of content mean equal bytes. */
export interface ComparedReaders {
  readonly before: BackupReader;
  readonly after: BackupReader;
  readonly oneVault: boolean;
}

/**
 * Databases first, then what differs in each folder in its order; files that had to be read to
 * be told apart come after the others of their folder.
 *
 * @param other Where `after` lies, when not in the same vault as `before`
 * @throws {BackupError} `not-found`; `damaged` for bytes that cannot be read
 */
export async function* compareBackups(
  context: OperationContext,
  other: OperationContext,
  request: Started<CompareRequest>,
): AsyncGenerator<EntryDifference> {
  const { source, signal } = request;
  await using before = await openNamedBackup(context, request.before, { source, signal });
  await using after = await openNamedBackup(other, request.after, { source, signal });
  const readers = { before, after, oneVault: context.vault === other.vault };
  yield* compareDatabases(readers, request);
  const progress = new CompareProgress(request);
  for (const root of await rootNames(before, after, signal)) {
    yield* compareRoot(readers, root, progress, signal);
  }
  progress.end();
}

/** Roots of the first backup, then those only the second has. Of archives that are not ours only reading tells. */
async function rootNames(
  before: BackupReader,
  after: BackupReader,
  signal: AbortSignal,
): Promise<ReadonlySet<string>> {
  const names = new Set<string>();
  for (const reader of [before, after]) {
    const { roots, state } = reader.backup;
    for (const { name } of roots) names.add(name);
    if (roots.length > 0 || state !== "unverified") continue;
    for await (const { root } of reader.entries(signal)) names.add(root);
  }
  return names;
}

async function* compareRoot(
  readers: ComparedReaders,
  root: string,
  progress: CompareProgress,
  signal: AbortSignal,
): AsyncGenerator<EntryDifference> {
  const undecided = new Map<string, Comparison>();
  const pairs = paired(rootEntries(readers.before, root, signal), rootEntries(readers.after, root, signal));
  for await (const { before, after } of pairs) {
    signal.throwIfAborted();
    progress.saw();
    const comparison = compareEntries(before, after, readers.oneVault);
    if (comparison.content === "unknown") undecided.set(comparison.path, comparison);
    else if (comparison.isDifferent) yield describeDifference(comparison);
  }
  if (undecided.size === 0) return;
  for await (const { comparison, same } of sameBytes(readers, root, undecided, signal)) {
    signal.throwIfAborted();
    const decided = compareEntries(comparison.before, comparison.after, readers.oneVault, same);
    if (decided.isDifferent) yield describeDifference(decided);
  }
}

/** Entries of one root, in the order all vaults have; what is not ours is put into it. */
async function* rootEntries(
  reader: BackupReader,
  root: string,
  signal: AbortSignal,
): AsyncGenerator<StoredEntry> {
  const isOrdered = isOurs(reader.backup);
  const unordered: StoredEntry[] = [];
  let seen = false;
  for await (const entry of reader.entries(signal)) {
    if (entry.root === root) {
      seen = true;
      if (isOrdered) yield entry;
      else unordered.push(entry);
    } else if (seen && isOrdered) return;
  }
  yield* unordered.sort((a, b) => compareEntryPaths(a.path, b.path));
}

function isOurs({ state }: Backup): boolean {
  return state !== "unverified";
}

/** An entry of each side at the same path, or of one side alone. */
async function* paired(
  before: AsyncGenerator<StoredEntry>,
  after: AsyncGenerator<StoredEntry>,
): AsyncGenerator<{ readonly before?: StoredEntry; readonly after?: StoredEntry }> {
  try {
    let [left, right] = [await nextOf(before), await nextOf(after)];
    while (left !== undefined || right !== undefined) {
      const order = orderOf(left, right);
      yield {
        ...(order <= 0 && left !== undefined ? { before: left } : {}),
        ...(order >= 0 && right !== undefined ? { after: right } : {}),
      };
      if (order <= 0) left = await nextOf(before);
      if (order >= 0) right = await nextOf(after);
    }
  } finally {
    await before.return(undefined);
    await after.return(undefined);
  }
}

async function nextOf(entries: AsyncGenerator<StoredEntry>): Promise<StoredEntry | undefined> {
  const next = await entries.next();
  return next.done === true ? undefined : next.value;
}

/** Below 0: the left one comes first; a side that has ended comes last. */
function orderOf(left: StoredEntry | undefined, right: StoredEntry | undefined): number {
  if (left === undefined) return 1;
  return right === undefined ? -1 : compareEntryPaths(left.path, right.path);
}

class CompareProgress {
  readonly #request: Started<CompareRequest>;
  #items = 0;

  constructor(request: Started<CompareRequest>) {
    this.#request = request;
  }

  saw(): void {
    if (++this.#items % progressEveryEntries === 0) this.end();
  }

  end(): void {
    this.#request.observer.progress({ phase: "compare", bytesDone: 0, itemsDone: this.#items });
  }
}
