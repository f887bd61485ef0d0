/**
 * Which entries of a backup a restore takes: all, or what `--include` patterns
 * match, with the folders that lead there.
 *
 * @module
 */

import { byteStringFromText } from "../../domain/byte-string.ts";
import type { StoredEntry } from "../../domain/entry.ts";
import { BackupError } from "../../domain/error.ts";
import { joinEntryPath, parentEntryPath } from "../../source/tree/entry-path.ts";
import { pathRules } from "../../source/folder/exclude-rules.ts";
import type { BackupReader } from "../../vault/vault.ts";

export interface Selection {
  /** Is only a part of each folder restored, so that nothing is removed from it? */
  readonly partial: boolean;
  readonly selects: (entry: StoredEntry) => boolean;
  /** Is a database of this name, or `<folder name>/<path>`, selected? */
  readonly selectsNamed: (name: string) => boolean;
  /** Of each root that has a selected entry: bytes its selected files have. */
  readonly bytesByRoot: ReadonlyMap<string, number>;
  /**
   * Of a file with several names the first has the content. Where only a further name is
   * selected, it is found here by {@link entryKey}: the entry to read the content of.
   */
  readonly detachedLinks: ReadonlyMap<string, StoredEntry>;
}

/**
 * Reads the list of entries (not the archive) and decides.
 *
 * @param folders Are folders restored at all?
 * @throws {BackupError} `invalid-input` for patterns that make no sense
 */
export async function selectEntries(
  reader: BackupReader,
  include: readonly string[],
  folders: boolean,
  signal: AbortSignal,
): Promise<Selection> {
  const rules = pathRules(include);
  if (rules === undefined && include.length > 0) throw emptyPatterns(include);
  const matches = (entry: StoredEntry): boolean =>
    rules === undefined || rules(fullPath(entry), isFolder(entry));
  const found: Found = { bytesByRoot: new Map(), leading: new Set(), links: new Map() };
  if (folders) await findSelected(found, reader, matches, rules !== undefined, signal);
  const { bytesByRoot, leading, links } = found;
  const detachedLinks: ReadonlyMap<string, StoredEntry> =
    links.size === 0 ? new Map() : await detach(reader, links, matches, signal);
  // A further name has no size of its own; one that becomes a file does.
  for (const { root, sizeBytes } of detachedLinks.values()) {
    bytesByRoot.set(root, (bytesByRoot.get(root) ?? 0) + sizeBytes);
  }
  return {
    partial: rules !== undefined,
    selects: (entry) => matches(entry) || (isFolder(entry) && leading.has(entryKey(entry.root, entry.path))),
    selectsNamed: (name) => rules === undefined || rules(byteStringFromText(name), false),
    bytesByRoot,
    detachedLinks,
  };
}

/** What one pass over the entries finds of the selected ones. */
interface Found {
  readonly bytesByRoot: Map<string, number>;
  /** Keys of the folders above selected entries; only of a partial selection. */
  readonly leading: Set<string>;
  /** From the key of a selected further name to the path of the first; only of a partial selection. */
  readonly links: Map<string, string>;
}

async function findSelected(
  found: Found,
  reader: BackupReader,
  matches: (entry: StoredEntry) => boolean,
  partial: boolean,
  signal: AbortSignal,
): Promise<void> {
  for await (const entry of reader.entries(signal)) {
    if (!matches(entry)) continue;
    found.bytesByRoot.set(entry.root, (found.bytesByRoot.get(entry.root) ?? 0) + entry.sizeBytes);
    if (!partial) continue;
    addLeading(found.leading, entry);
    if (entry.hardLinkTo !== undefined) found.links.set(entryKey(entry.root, entry.path), entry.hardLinkTo);
  }
}

/** Names an entry among all of a backup. */
export function entryKey(root: string, path: string): string {
  return `${root}/${path}`;
}

/** The folders above a selected entry come along, for their modes and owners. */
function addLeading(leading: Set<string>, entry: StoredEntry): void {
  let { path } = entry;
  while (path !== "") {
    path = parentEntryPath(path);
    const key = entryKey(entry.root, path);
    if (leading.has(key)) return;
    leading.add(key);
  }
}

async function detach(
  reader: BackupReader,
  links: ReadonlyMap<string, string>,
  matches: (entry: StoredEntry) => boolean,
  signal: AbortSignal,
): Promise<ReadonlyMap<string, StoredEntry>> {
  const firsts = new Map<string, StoredEntry>();
  const wanted = new Set(links.values());
  for await (const entry of reader.entries(signal)) {
    if (wanted.has(entry.path) && !matches(entry)) firsts.set(entryKey(entry.root, entry.path), entry);
  }
  const detached = new Map<string, StoredEntry>();
  for (const [key, first] of links) {
    // Both names lie in one root.
    const entry = firsts.get(entryKey(key.slice(0, key.indexOf("/")), first));
    if (entry !== undefined) detached.set(key, entry);
  }
  return detached;
}

function isFolder(entry: StoredEntry): boolean {
  return entry.kind === "directory";
}

function fullPath(entry: StoredEntry): ReturnType<typeof joinEntryPath> {
  const root = byteStringFromText(entry.root);
  return entry.path === "" ? root : joinEntryPath(root, entry.path);
}

function emptyPatterns(include: readonly string[]): BackupError {
  return new BackupError("invalid-input", `Cannot restore ${JSON.stringify(include)}: no pattern among it`);
}
