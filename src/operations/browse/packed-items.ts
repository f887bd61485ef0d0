/**
 * What is to be packed of a backup: a place with all that lies in it, in order,
 * under names that lead nowhere else when it is unpacked.
 *
 * @module
 */

import type { Backup, BackupDatabase } from "../../domain/backup.ts";
import { asByteString, type ByteString, byteStringFromText } from "../../domain/byte-string.ts";
import type { StoredEntry } from "../../domain/entry.ts";
import type { PackedItem } from "../../domain/packed-item.ts";
import type { BackupReader, EntersFolder, EntryWithContent } from "../../vault/vault.ts";
import type { BackupPlace, EntryPlace } from "./backup-path.ts";
import { fullPath } from "./describe-entry.ts";

/**
 * The items of a place: named from the place's own last component on, so that a folder is unpacked as one.
 *
 * @param format zip knows no further names of a file: each gets the bytes
 */
export async function* packedItems(
  reader: BackupReader,
  place: BackupPlace,
  format: string,
  signal: AbortSignal,
): AsyncGenerator<PackedItem> {
  if (place.at === "database") yield databaseItem(reader, place.database, signal);
  else if (place.at === "entry") yield* entryItems(reader, place.place, format !== "zip", signal);
  else {
    for (const database of reader.backup.databases) yield databaseItem(reader, database, signal);
    yield* entryItems(reader, undefined, format !== "zip", signal);
  }
}

function databaseItem(reader: BackupReader, database: BackupDatabase, signal: AbortSignal): PackedItem {
  const { name, mode, uid, gid, sizeBytes } = database;
  return {
    kind: "file",
    name: safeName(name),
    mode,
    uid,
    gid,
    mtimeNs: momentOf(reader.backup),
    sizeBytes,
    content: reader.readDatabase(name, signal),
  };
}

function momentOf({ startedAtMs }: Backup): bigint {
  return BigInt(Math.trunc(startedAtMs)) * 1_000_000n;
}

/** Names of databases come from configurations and metadata, and may say anything. */
function safeName(name: string): ByteString {
  const parts = name.split("/").filter((part) => part !== "" && part !== "." && part !== "..");
  return byteStringFromText(parts.join("/").replaceAll("\0", "_") || "database");
}

async function* entryItems(
  reader: BackupReader,
  place: EntryPlace | undefined,
  hardLinks: boolean,
  signal: AbortSignal,
): AsyncGenerator<PackedItem> {
  const isSelected = (entry: StoredEntry): boolean => place?.relation(entry) !== "elsewhere";
  const enters: EntersFolder = (folder) =>
    place === undefined || place.isBelow(folder) || place.relation(folder) !== "elsewhere";
  const firsts = await firstNames(reader, isSelected, { hardLinks, enters }, signal);
  let nameAt: number | undefined = place === undefined ? 0 : undefined;
  for await (const item of reader.contents(isSelected, signal, enters)) {
    signal.throwIfAborted();
    // The first that is selected is the place itself: names begin with its last component.
    nameAt ??= fullPath(item.entry).lastIndexOf("/") + 1;
    yield itemOf(item, { reader, firsts, nameAt, signal });
  }
}

interface Packing {
  readonly reader: BackupReader;
  readonly firsts: ReadonlyMap<string, StoredEntry>;
  /** Where the name of an item begins in its full path. */
  readonly nameAt: number;
  readonly signal: AbortSignal;
}

function itemOf(
  { entry, content }: EntryWithContent,
  { reader, firsts, nameAt, signal }: Packing,
): PackedItem {
  const { root, kind, mode, uid, gid, mtimeNs, sizeBytes, linkTarget, hardLinkTo } = entry;
  const nameOf = (path: ByteString): ByteString => asByteString(fullPath({ root, path }).slice(nameAt));
  const common = { kind, mode, uid, gid, mtimeNs, name: nameOf(entry.path) };
  if (linkTarget !== undefined) return { ...common, sizeBytes: 0, linkTarget };
  if (hardLinkTo === undefined) {
    return content === undefined ? { ...common, sizeBytes: 0 } : { ...common, sizeBytes, content };
  }
  const first = firsts.get(keyOf(root, hardLinkTo));
  if (first === undefined) return { ...common, sizeBytes: 0, hardLinkTo: nameOf(hardLinkTo) };
  return { ...common, sizeBytes: first.sizeBytes, content: reader.read(first, undefined, signal) };
}

/**
 * The entries that hold the bytes of further names whose first name is not packed, or cannot be
 * referred to. Two passes over the list, and none over the bytes.
 */
async function firstNames(
  reader: BackupReader,
  isSelected: (entry: StoredEntry) => boolean,
  { hardLinks, enters }: { readonly hardLinks: boolean; readonly enters: EntersFolder },
  signal: AbortSignal,
): Promise<ReadonlyMap<string, StoredEntry>> {
  const wanted = new Set<string>();
  for await (const entry of reader.entries(signal, enters)) {
    const { root, hardLinkTo } = entry;
    if (hardLinkTo === undefined || !isSelected(entry)) continue;
    wanted.add(keyOf(root, hardLinkTo));
  }
  const firsts = new Map<string, StoredEntry>();
  if (wanted.size === 0) return firsts;
  for await (const entry of reader.entries(signal)) {
    const key = keyOf(entry.root, entry.path);
    if (wanted.has(key) && !(hardLinks && isSelected(entry))) firsts.set(key, entry);
  }
  return firsts;
}

function keyOf(root: string, path: string): string {
  return `${root}/${path}`;
}
