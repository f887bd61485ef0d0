/**
 * A zip as a stream of bytes, from items as they are read. Small files are
 * compressed whole; large ones as they pass, with their sums after their data.
 *
 * @module
 */

import { promisify } from "node:util";
import { constants, crc32, createDeflateRaw, deflateRaw } from "node:zlib";
import { byteStringToBytes } from "../../domain/byte-string.ts";
import type { PackedItem } from "../../domain/packed-item.ts";
import { looksCompressible } from "../../encode/compressibility.ts";
import {
  encodeCentralRecord,
  encodeDescriptor,
  encodeEndOfDirectory,
  encodeLocalHeader,
  type ZipMember,
  type ZipSum,
} from "../../format/zip/zip-records.ts";
import { wrongLength } from "./tar-stream.ts";

/** Files up to this size are held whole: their header then tells their sums, which every reader understands. */
const smallBytesMax = 1024 * 1024;
/** What gzip and zip use when not told otherwise is 6; 5 makes the same within 2 % and takes two thirds of the time. */
const deflateLevel = 5;

const deflateWhole = promisify(deflateRaw) as (bytes: Uint8Array, options: object) => Promise<Buffer>;

/**
 * The zip of these items. Symbolic links are members of their own, as Info-ZIP has them.
 * Chunks are valid until the next one is asked for.
 *
 * @throws {BackupError} `damaged` where content is not as long as its item says
 */
export async function* zipStream(
  items: AsyncIterable<PackedItem>,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array> {
  const directory: Buffer[] = [];
  let offset = 0;
  for await (const item of items) {
    signal.throwIfAborted();
    const started = offset;
    const packing = isSmall(item) ? packSmall(item) : packLarge(item, signal);
    const { member, sum } = yield* tallied(packing, (bytes) => {
      offset += bytes;
    });
    directory.push(encodeCentralRecord(member, sum, started));
  }
  const sizeBytes = directory.reduce((sum, record) => sum + record.length, 0);
  yield* directory;
  yield encodeEndOfDirectory({ members: directory.length, sizeBytes, offset });
}

/** A member whose bytes were all yielded. */
interface Packed {
  readonly member: ZipMember;
  readonly sum: ZipSum;
}

/** The same bytes, with their length told; ends the packing where the reader goes away. */
async function* tallied(
  packing: AsyncGenerator<Uint8Array, Packed>,
  tally: (bytes: number) => void,
): AsyncGenerator<Uint8Array, Packed> {
  await using _ending = packing;
  for (;;) {
    const { done, value } = await packing.next();
    if (done === true) return value;
    tally(value.length);
    yield value;
  }
}

function isSmall({ content, sizeBytes }: PackedItem): boolean {
  return content === undefined || sizeBytes <= smallBytesMax;
}

async function* packSmall(item: PackedItem): AsyncGenerator<Uint8Array, Packed> {
  const data = await wholeContent(item);
  const deflated =
    data.length > 0 && looksCompressible(data) !== false
      ? await deflateWhole(data, { level: deflateLevel })
      : data;
  const bytes = deflated.length < data.length ? deflated : data;
  const sum = { crc32: crc32(data), packedBytes: bytes.length };
  const method = bytes === data ? "stored" : "deflate";
  const member: ZipMember = { ...factsOf(item), method, sizeBytes: data.length, known: sum };
  yield encodeLocalHeader(member);
  if (bytes.length > 0) yield bytes;
  return { member, sum };
}

async function wholeContent(item: PackedItem): Promise<Buffer> {
  if (item.linkTarget !== undefined) return byteStringToBytes(item.linkTarget);
  const data = Buffer.allocUnsafe(item.sizeBytes);
  let used = 0;
  for await (const chunk of item.content ?? []) {
    if (used + chunk.length > data.length) throw wrongLength(item);
    data.set(chunk, used);
    used += chunk.length;
  }
  if (used !== data.length) throw wrongLength(item);
  return data;
}

async function* packLarge(item: PackedItem, signal: AbortSignal): AsyncGenerator<Uint8Array, Packed> {
  const member: ZipMember = {
    ...factsOf(item),
    method: "deflate",
    sizeBytes: item.sizeBytes,
    known: undefined,
  };
  yield encodeLocalHeader(member);
  const reading = new SummedContent(item, signal);
  const chunks = reading.chunks();
  const first = await chunks.next();
  // Zip readers that do not seek cannot tell where stored data ends, so data that does not shrink is deflated at level 0.
  const shrinks = first.done === true || looksCompressible(first.value) !== false;
  const deflate = createDeflateRaw({ level: shrinks ? deflateLevel : constants.Z_NO_COMPRESSION });
  const feeding = feed(deflate, first.done === true ? undefined : Buffer.from(first.value), chunks);
  // It is waited for below; until then its failure is the compressor's.
  feeding.catch(() => undefined);
  let packedBytes = 0;
  try {
    for await (const bytes of deflate as AsyncIterable<Buffer>) {
      packedBytes += bytes.length;
      yield bytes;
    }
    await feeding;
  } finally {
    deflate.destroy();
    await feeding.catch(() => undefined);
  }
  const sum = { crc32: reading.crc32, packedBytes };
  yield encodeDescriptor(member, sum);
  return { member, sum };
}

/** Writes the content into the compressor, which waits where nobody reads it. */
async function feed(
  deflate: ReturnType<typeof createDeflateRaw>,
  first: Uint8Array | undefined,
  rest: AsyncIterable<Uint8Array>,
): Promise<void> {
  const write = (chunk: Uint8Array): Promise<void> =>
    // Its own callback tells that the chunk was used up: until then it must stay as it is.
    new Promise((resolve, reject) => {
      deflate.write(chunk, (error) => (error ? reject(error) : resolve()));
    });
  try {
    if (first !== undefined) await write(first);
    for await (const chunk of rest) await write(chunk);
    deflate.end();
  } catch (error) {
    deflate.destroy(error as Error);
    throw error;
  }
}

/** Content whose length and CRC-32 are taken as it passes. */
class SummedContent {
  readonly #item: PackedItem;
  readonly #signal: AbortSignal;
  crc32 = 0;

  constructor(item: PackedItem, signal: AbortSignal) {
    this.#item = item;
    this.#signal = signal;
  }

  async *chunks(): AsyncGenerator<Uint8Array> {
    let sizeBytes = 0;
    for await (const chunk of this.#item.content ?? []) {
      this.#signal.throwIfAborted();
      sizeBytes += chunk.length;
      this.crc32 = crc32(chunk, this.crc32);
      yield chunk;
    }
    if (sizeBytes !== this.#item.sizeBytes) throw wrongLength(this.#item);
  }
}

function factsOf({
  kind,
  name,
  mode,
  uid,
  gid,
  mtimeNs,
}: PackedItem): Pick<ZipMember, "kind" | "name" | "mode" | "uid" | "gid" | "mtimeNs"> {
  return { kind, name, mode, uid: Math.max(0, uid), gid: Math.max(0, gid), mtimeNs };
}
