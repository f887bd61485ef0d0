/**
 * One gzip member (RFC 1952) of an archive: at most 1 MiB of raw bytes that can be
 * decoded without its neighbours. Its header carries its own stored length in an
 * extra field, as BGZF does, so that members can be told apart without inflating.
 *
 * @module
 */

import { crc32, deflateRaw, deflateRawSync, inflateRaw } from "node:zlib";
import { BackupError } from "../domain/error.ts";

/** Raw bytes in one member: enough for gzip's ratio (window 32 KiB), small enough to fetch for one file. */
export const memberRawBytesMax: number = 1 << 20;

/** ID1 ID2 CM FLG(FEXTRA) MTIME(0) XFL OS(unknown) XLEN(8) "VB" LEN(4), then the length. RFC 1952, 2.3. */
const headerTemplate = Buffer.from("1f8b08040000000000ff080056420400", "hex");
/** Bytes from the start of a member to its deflate data. */
export const memberHeaderBytes: number = headerTemplate.length + 4;
const trailerBytes = 8;
/** RFC 1951, 3.2.4: a stored block holds at most this many bytes, after 5 bytes of its own. */
const storedBlockBytesMax = 65_535;
const storedBlockHeaderBytes = 5;

/** No member is larger than this: what does not shrink is stored. */
export const memberBytesMax: number = storedMemberBytes(memberRawBytesMax);
/** No member is smaller: header, an empty deflate stream and trailer. */
export const memberBytesMin: number = memberHeaderBytes + 2 + trailerBytes;

export interface EncodedMember {
  readonly bytes: Uint8Array;
  readonly rawBytes: number;
  /** CRC-32 of `bytes`, so that a copy can be checked without inflating. */
  readonly crc32: number;
}

/** Where encoded bytes are put, at least {@link memberBytesMax} long. */
type Target = Buffer;

/** Compresses `raw` on libuv's threads into `target`. `raw` must not change meanwhile. Same input, same bytes. */
export function deflateMember(raw: Uint8Array, level: number, target: Target): Promise<EncodedMember> {
  return new Promise((resolve, reject) => {
    deflateRaw(raw, deflateOptions(level, raw.length), (error, data) => {
      if (error !== null) {
        reject(new BackupError("bug", "Cannot compress: zlib refused its input", { cause: error }));
        return;
      }
      resolve(
        data.length + memberHeaderBytes + trailerBytes < storedMemberBytes(raw.length)
          ? wrapDeflated(raw, data, target)
          : storeMember(raw, target),
      );
    });
  });
}

/** As {@link deflateMember}, at once; for small or cached input. */
export function deflateMemberSync(raw: Uint8Array, level: number, target: Target): EncodedMember {
  return wrapDeflated(raw, deflateRawSync(raw, deflateOptions(level, raw.length)), target);
}

/** What compresses a member: our own deflate, or whatever a test puts in its place. */
export interface DeflateCompressor {
  /** A deflate stream of `raw`, or undefined if it were longer than `bytesMax`. */
  compress(raw: Uint8Array, bytesMax: number): Uint8Array | undefined;
}

/** As {@link deflateMember}, at once and by `compressor`. */
export function deflateMemberWith(
  compressor: DeflateCompressor,
  raw: Uint8Array,
  target: Target,
): EncodedMember {
  const smaller = storedMemberBytes(raw.length) - memberHeaderBytes - trailerBytes - 1;
  const data = compressor.compress(raw, smaller);
  return data === undefined ? storeMember(raw, target) : wrapDeflated(raw, data, target);
}

/** Packs `raw` as it is, for bytes that do not compress. */
export function storeMember(raw: Uint8Array, target: Target): EncodedMember {
  let at = memberHeaderBytes;
  let from = 0;
  do {
    const length = Math.min(storedBlockBytesMax, raw.length - from);
    target[at] = from + length === raw.length ? 1 : 0;
    target.writeUInt16LE(length, at + 1);
    target.writeUInt16LE(length ^ 0xffff, at + 3);
    at += storedBlockHeaderBytes;
    target.set(raw.subarray(from, from + length), at);
    at += length;
    from += length;
  } while (from < raw.length);
  return finishMember(raw, target, at);
}

/** Stored length of a member, from its first {@link memberHeaderBytes} bytes. @throws {BackupError} `damaged` */
export function memberLength(header: Uint8Array): number {
  const view = asBuffer(header);
  const length = view.length >= memberHeaderBytes ? view.readUInt32LE(headerTemplate.length) : 0;
  if (
    headerTemplate.compare(view, 0, headerTemplate.length) !== 0 ||
    length < memberBytesMin ||
    length > memberBytesMax
  ) {
    throw new BackupError("damaged", "Cannot decode a gzip member: its header is not what was written");
  }
  return length;
}

/** Raw length a member claims, from its last bytes. */
export function memberRawLength(member: Uint8Array): number {
  return asBuffer(member).readUInt32LE(member.length - 4);
}

/**
 * Decodes a whole member; inflates on libuv's threads. The result lies in `target`
 * (at least {@link memberRawBytesMax} long) where the member is stored, else in memory of its own.
 *
 * @throws {BackupError} `damaged` if it is not exactly one intact member of `rawBytes` bytes
 */
export async function decodeMember(
  member: Uint8Array,
  rawBytes: number,
  target: Buffer | undefined,
): Promise<Uint8Array> {
  const length = memberLength(member);
  if (length !== member.length || rawBytes > memberRawBytesMax || memberRawLength(member) !== rawBytes) {
    throw new BackupError("damaged", "Cannot decode a gzip member: its lengths disagree");
  }
  const body = member.subarray(memberHeaderBytes, member.length - trailerBytes);
  const raw =
    unpackStored(body, target ?? Buffer.allocUnsafe(rawBytes), rawBytes) ?? (await inflate(body, rawBytes));
  if (raw.length !== rawBytes || crc32(raw) !== asBuffer(member).readUInt32LE(member.length - trailerBytes)) {
    throw new BackupError("damaged", "Cannot decode a gzip member: its checksum does not match");
  }
  return raw;
}

function wrapDeflated(raw: Uint8Array, data: Uint8Array, target: Target): EncodedMember {
  target.set(data, memberHeaderBytes);
  return finishMember(raw, target, memberHeaderBytes + data.length);
}

function finishMember(raw: Uint8Array, target: Target, end: number): EncodedMember {
  const length = end + trailerBytes;
  headerTemplate.copy(target);
  target.writeUInt32LE(length, headerTemplate.length);
  target.writeUInt32LE(crc32(raw), end);
  target.writeUInt32LE(raw.length, end + 4);
  const bytes = target.subarray(0, length);
  return { bytes, rawBytes: raw.length, crc32: crc32(bytes) };
}

/** The bytes of a deflate stream that has only stored blocks; undefined for any other stream. */
function unpackStored(body: Uint8Array, target: Buffer, rawBytes: number): Uint8Array | undefined {
  let at = 0;
  let to = 0;
  for (;;) {
    const head = body[at];
    if ((head !== 0 && head !== 1) || at + storedBlockHeaderBytes > body.length) return undefined;
    const length = body[at + 1]! | (body[at + 2]! << 8);
    const check = body[at + 3]! | (body[at + 4]! << 8);
    at += storedBlockHeaderBytes;
    if ((length ^ 0xffff) !== check || at + length > body.length || to + length > rawBytes) return undefined;
    target.set(body.subarray(at, at + length), to);
    at += length;
    to += length;
    if (head === 1) return at === body.length ? target.subarray(0, to) : undefined;
  }
}

function inflate(body: Uint8Array, rawBytes: number): Promise<Uint8Array> {
  // One spare byte lets zlib see the end of the stream without a second buffer; more output than recorded is refused.
  const options = { maxOutputLength: rawBytes + 1, chunkSize: Math.max(64, rawBytes + 1) };
  return new Promise((resolve, reject) => {
    inflateRaw(body, options, (error, data) => {
      if (error === null) resolve(data);
      else
        reject(
          new BackupError("damaged", "Cannot decode a gzip member: it does not inflate", { cause: error }),
        );
    });
  });
}

function deflateOptions(
  level: number,
  rawBytes: number,
): { level: number; memLevel: number; chunkSize: number } {
  // Half the input holds nearly every compressed member in one piece; memLevel 9 is 5 % faster here than 8.
  return { level, memLevel: 9, chunkSize: Math.max(4096, rawBytes >> 1) };
}

/** Bytes of a member that stores `rawBytes` as they are: no member of so much input is larger. */
export function storedMemberBytes(rawBytes: number): number {
  const blocks = Math.max(1, Math.ceil(rawBytes / storedBlockBytesMax));
  return memberHeaderBytes + blocks * storedBlockHeaderBytes + rawBytes + trailerBytes;
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
