/**
 * Archives of real folders, written and read back the way the vault does it.
 *
 * @module
 */

import { createHash } from "node:crypto";
import { lstatSync, readFileSync, readlinkSync } from "node:fs";
import { basename, join } from "node:path";
import type { Problem } from "../domain/backup.ts";
import { byteStringToPath } from "../domain/byte-string.ts";
import type { Entry, StoredEntry } from "../domain/entry.ts";
import { walkFolder } from "../source/folder/walk-folder.ts";
import { readAll } from "../storage/read-all.ts";
import type { Storage } from "../storage/storage.ts";
import type { ArchiveReader } from "../vault/archive/bytes/archive-reader.ts";
import { openArchiveReader } from "../vault/archive/bytes/archive-reader.ts";
import type { ArchiveResult } from "../vault/archive/bytes/archive-writer.ts";
import { openArchiveWriter } from "../vault/archive/bytes/archive-writer.ts";

const signal = new AbortController().signal;
const objectBytesMax = 1 << 28;

/** A written archive and what was said meanwhile. */
export interface WrittenArchive {
  readonly stem: string;
  readonly folder: string;
  readonly result: ArchiveResult;
  readonly problems: readonly Problem[];
  readonly warnings: readonly string[];
}

export interface WriteArchiveOptions {
  readonly storage: Storage;
  readonly folder: string;
  readonly stem: string;
  readonly parent?: WrittenArchive;
  readonly level?: number;
  /** Changes or drops entries between the walk and the writer. */
  readonly change?: (entry: Entry) => Entry | undefined;
  /** Entries in one call of `settle` and `add`. */
  readonly batch?: number;
}

/** All entries of a folder, in order. */
export async function walkAll(folder: string): Promise<Entry[]> {
  const options = {
    root: { name: basename(folder), path: folder },
    excludes: [],
    oneFileSystem: false,
    excludeCaches: false,
    skip: new Set<never>(),
  };
  const entries: Entry[] = [];
  for await (const batch of walkFolder(options, () => undefined, signal)) entries.push(...batch);
  return entries;
}

/** Writes an archive of a folder; files whose change time is too fresh to trust age first. */
export async function writeArchive(options: WriteArchiveOptions): Promise<WrittenArchive> {
  const { storage, folder, stem, parent, level, change, batch = 100 } = options;
  const problems: Problem[] = [];
  const warnings: string[] = [];
  const writer = await openArchiveWriter(
    {
      storage,
      ...archiveNames(stem),
      roots: [{ name: basename(folder), path: folder }],
      parent: parent && archiveNames(parent.stem),
      level,
      observer: {
        progress() {},
        warning: (message) => warnings.push(message),
        problem: (problem) => problems.push(problem),
      },
      // A minute ahead: nothing of a test's folder counts as changed a moment ago.
      clock: { now: () => Date.now() + 60_000, elapsed: () => performance.now() },
    },
    signal,
  );
  const all = await walkAll(folder);
  const entries = all.map(change ?? ((entry) => entry)).filter((entry) => entry !== undefined);
  for (let i = 0; i < entries.length; i += batch) {
    const part = entries.slice(i, i + batch);
    const settled = await writer.settle(part, signal);
    await writer.add(
      part.map((entry, index) => ({ entry, settled: settled[index] ?? false })),
      signal,
    );
  }
  return { stem, folder, result: await writer.finish(signal), problems, warnings };
}

/** Names of the two objects. */
export function archiveNames(stem: string): { readonly archiveName: string; readonly contentsName: string } {
  return { archiveName: `storage/${stem}.tar.gz`, contentsName: `storage/${stem}.contents.jsonl.gz` };
}

/** Opens what was written. */
export function readerOf(storage: Storage, written: WrittenArchive): ArchiveReader {
  const { archiveName, contentsName } = archiveNames(written.stem);
  return openArchiveReader({
    storage,
    archive: { name: archiveName, ...written.result.archive },
    contents: { name: contentsName, ...written.result.contents },
    roots: [{ name: basename(written.folder), path: written.folder }],
  });
}

/** Bytes of an object. */
export async function objectBytes(storage: Storage, name: string): Promise<Buffer> {
  return await readAll(storage, name, objectBytesMax, signal);
}

/** Everything an archive says, with the hash of each content as it was read, in a form that compares. */
export async function describeArchive(reader: ArchiveReader): Promise<Record<string, unknown>> {
  const described: Record<string, unknown> = {};
  for await (const { entry, content } of reader.contents(() => true, signal)) {
    const hash = createHash("sha256");
    if (content !== undefined) for await (const chunk of content) hash.update(chunk);
    described[entry.path] = describe(entry, content === undefined ? undefined : hash.digest("hex"));
  }
  return described;
}

/** The same of the folder itself. Hard links are compared by the name they point to. */
export async function describeFolder(folder: string): Promise<Record<string, unknown>> {
  const described: Record<string, unknown> = {};
  for (const entry of await walkAll(folder)) {
    const bytes = entry.content === undefined ? undefined : readFileSync(entryPath(folder, entry));
    described[entry.path] = describe(entry, bytes && createHash("sha256").update(bytes).digest("hex"));
  }
  return described;
}

function describe(entry: Entry | StoredEntry, sha256: string | undefined): unknown {
  const { kind, mode, uid, gid, mtimeNs, linkTarget, hardLinkTo } = entry;
  return { kind, mode, uid, gid, mtime: String(mtimeNs), linkTarget, hardLinkTo, sha256 };
}

/** Where an entry is on disk. */
export function entryPath(folder: string, entry: Pick<Entry, "path">): string | Buffer {
  const name = byteStringToPath(entry.path);
  return typeof name === "string" ? join(folder, name) : Buffer.concat([Buffer.from(`${folder}/`), name]);
}

/** Kind, permissions, time, size and bytes of a path, for comparing two trees. */
export function describePath(path: string | Buffer): unknown {
  const stats = lstatSync(path, { bigint: true });
  const bytes = stats.isFile() ? readFileSync(path) : Buffer.from("");
  return {
    mode: stats.mode,
    mtimeNs: stats.isSymbolicLink() ? 0n : stats.mtimeNs,
    links: stats.isDirectory() ? 0n : stats.nlink,
    target: stats.isSymbolicLink() ? readlinkSync(path, "latin1") : "",
    sha256: createHash("sha256").update(bytes).digest("hex"),
  };
}
