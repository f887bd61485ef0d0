/**
 * Hands the entries of one backup to the writer of another: small files in batches
 * held in memory, so that the next are read while they are stored; large ones as they pass.
 *
 * @module
 */

import { createHash } from "node:crypto";
import type { Entry, StoredEntry } from "../../domain/entry.ts";
import { BackupError } from "../../domain/error.ts";
import { displayEntryPath } from "../../source/tree/entry-path.ts";
import type { BackupReader, BackupWriter, EntryWithContent } from "../../vault/vault.ts";

/** Larger files are not held whole. */
const smallBytesMax = 1024 * 1024;
/** One batch is stored while the next is read: twice this is held. */
const batchBytesMax = 8 * 1024 * 1024;
const batchEntriesMax = 1024;

/** @param onRead Told the bytes of content as they are read */
export async function copyEntries(
  reader: BackupReader,
  writer: BackupWriter,
  onRead: (bytes: number) => void,
  signal: AbortSignal,
): Promise<void> {
  const names = await countNames(reader, signal);
  const roots = new Set(reader.backup.roots.map(({ name }) => name));
  const batches = new Batches(writer, signal);
  try {
    for await (const { entry, content } of reader.contents(() => true, signal)) {
      signal.throwIfAborted();
      // No reader could find it again.
      if (!roots.has(entry.root)) throw unknownRoot(entry);
      const links = names.of(entry);
      if (content === undefined) await batches.add(entryOf(entry, links, undefined), 0);
      else if (entry.sizeBytes <= smallBytesMax) {
        const bytes = await readWhole(entry, content, onRead);
        await batches.add(entryOf(entry, links, once(bytes)), bytes.length);
      } else await batches.addAlone(entryOf(entry, links, counted(content, onRead)));
    }
    await batches.flush();
  } finally {
    await batches.settled();
  }
}

function unknownRoot({ root, path }: StoredEntry): BackupError {
  const name = displayEntryPath(root, path);
  return new BackupError("damaged", `Cannot copy ${name}: it is in none of the folders of its backup`);
}

/** How many names files have in the backup: a repository has to know at the first of them. */
async function countNames(
  reader: BackupReader,
  signal: AbortSignal,
): Promise<{ readonly of: (entry: StoredEntry) => number | undefined }> {
  const further = new Map<string, number>();
  const keyOf = ({ root, path, hardLinkTo }: StoredEntry): string => `${root}/${hardLinkTo ?? path}`;
  for await (const entry of reader.entries(signal)) {
    signal.throwIfAborted();
    if (entry.hardLinkTo !== undefined) further.set(keyOf(entry), (further.get(keyOf(entry)) ?? 0) + 1);
  }
  return { of: (entry) => (entry.kind === "file" ? 1 + (further.get(keyOf(entry)) ?? 0) : undefined) };
}

function entryOf(
  stored: StoredEntry,
  links: number | undefined,
  content: AsyncIterable<Uint8Array> | undefined,
): Entry {
  const { sha256: _sha256, contentId: _contentId, ...facts } = stored;
  // Where the number is kept it counts names outside the backup and of other roots as well.
  const names = (facts.links ?? 0) > 0 ? facts.links : links;
  const entry = names === undefined ? facts : { ...facts, links: names, ...deviceOf(facts, names) };
  return content === undefined ? entry : { ...entry, content: { from: "stream", open: () => content } };
}

/**
 * Archives know inodes and no devices. To restic two files of one inode and device are one file, so each that
 * has several names gets a device of its own: elsewhere another may have the same inode.
 */
function deviceOf({ root, path, kind, deviceId = 0n }: Entry, links: number): Pick<Entry, "deviceId"> {
  if (links < 2 || kind !== "file" || deviceId !== 0n) return {};
  const digest = createHash("sha256").update(`${root}/${path}`, "latin1").digest();
  return { deviceId: digest.readBigUInt64BE() };
}

async function readWhole(
  entry: StoredEntry,
  content: NonNullable<EntryWithContent["content"]>,
  onRead: (bytes: number) => void,
): Promise<Uint8Array> {
  const bytes = Buffer.allocUnsafe(entry.sizeBytes);
  let length = 0;
  for await (const chunk of counted(content, onRead)) {
    if (length + chunk.length > bytes.length) throw wrongLength(entry);
    bytes.set(chunk, length);
    length += chunk.length;
  }
  if (length !== bytes.length) throw wrongLength(entry);
  return bytes;
}

function wrongLength({ root, path, sizeBytes }: StoredEntry): BackupError {
  const name = displayEntryPath(root, path);
  return new BackupError("damaged", `Cannot copy ${name}: it does not have its ${sizeBytes} bytes`);
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  if (bytes.length > 0) yield bytes;
}

async function* counted(
  content: AsyncIterable<Uint8Array>,
  onRead: (bytes: number) => void,
): AsyncGenerator<Uint8Array> {
  for await (const chunk of content) {
    onRead(chunk.length);
    yield chunk;
  }
}

/** Entries on their way to a writer, of which one batch at a time is being stored. */
class Batches {
  readonly #writer: BackupWriter;
  readonly #signal: AbortSignal;
  #entries: Entry[] = [];
  #bytes = 0;
  #storing: Promise<void> = Promise.resolve();

  constructor(writer: BackupWriter, signal: AbortSignal) {
    this.#writer = writer;
    this.#signal = signal;
  }

  async add(entry: Entry, bytes: number): Promise<void> {
    this.#entries.push(entry);
    this.#bytes += bytes;
    if (this.#entries.length >= batchEntriesMax || this.#bytes >= batchBytesMax) await this.#start();
  }

  /** Returns when the entry's stream was read: until then nothing else can be read. */
  async addAlone(entry: Entry): Promise<void> {
    await this.flush();
    this.#entries.push(entry);
    await this.flush();
  }

  /** Returns when all that was added is stored. */
  async flush(): Promise<void> {
    await this.#start();
    await this.#storing;
  }

  /** Returns when nothing runs any more, however it ended. */
  async settled(): Promise<void> {
    await this.#storing.catch(() => undefined);
  }

  async #start(): Promise<void> {
    await this.#storing;
    const entries = this.#entries;
    if (entries.length === 0) return;
    this.#entries = [];
    this.#bytes = 0;
    this.#storing = this.#store(entries);
    // Its failure is met by whoever adds next.
    this.#storing.catch(() => undefined);
  }

  async #store(entries: readonly Entry[]): Promise<void> {
    const settled = await this.#writer.settle(entries, this.#signal);
    const added = entries.map((entry, index) => ({ entry, settled: settled[index] === true }));
    await this.#writer.add(added, this.#signal);
  }
}
