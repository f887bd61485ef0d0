/**
 * The header of a pack: what blobs it has, in the order they lie in it. Plain bytes;
 * in the pack they are sealed, stand at the end, and are followed by the length of the
 * sealed header as four bytes, lowest first. Source: restic `doc/design.rst`, "Pack Format".
 *
 * @module
 */

import { BackupError } from "../../domain/error.ts";
import type { PackedBlob } from "./model.ts";

/** A header is refused beyond this, sealed, as in restic. */
export const packHeaderBytesMax: number = 16 * 1024 * 1024;

/** Type, length, id. */
const plainEntryBytes = 37;
/** Type, length, length before compression, id. */
const compressedEntryBytes = 41;
const idBytes = 32;
/** Of an envelope with nothing in it. */
const blobBytesMin = 32;
const uint32Max = 0xffff_ffff;

const typeBytes = { data: 0, tree: 1 } as const;
/** Added to the type of a compressed blob. */
const compressedType = 2;

/** Bytes the entry of a blob takes in the plain header. */
export function packHeaderEntryBytes(isCompressed: boolean): number {
  return isCompressed ? compressedEntryBytes : plainEntryBytes;
}

/** The plain header of a pack in which these blobs follow each other without gaps. */
export function encodePackHeader(blobs: readonly PackedBlob[]): Buffer {
  let size = 0;
  for (const blob of blobs) size += packHeaderEntryBytes(blob.uncompressedLength !== undefined);
  const header = Buffer.allocUnsafe(size);
  let at = 0;
  for (const { id, type, length, uncompressedLength } of blobs) {
    at = header.writeUInt8(typeBytes[type] + (uncompressedLength === undefined ? 0 : compressedType), at);
    at = header.writeUInt32LE(length, at);
    if (uncompressedLength !== undefined) at = header.writeUInt32LE(uncompressedLength, at);
    at += header.write(id, at, idBytes, "hex");
  }
  return header;
}

/** The blobs of a pack by its plain header. @throws {BackupError} `damaged` */
export function parsePackHeader(plain: Uint8Array): readonly PackedBlob[] {
  if (plain.length > packHeaderBytesMax) throw damaged(`it has ${plain.length} bytes`);
  const header = Buffer.from(plain.buffer, plain.byteOffset, plain.length);
  const blobs: PackedBlob[] = [];
  let offset = 0;
  for (let at = 0; at < header.length; ) {
    const blob = parseEntry(header, at, offset);
    blobs.push(blob);
    offset += blob.length;
    if (offset > uint32Max) throw damaged("its blobs would not fit into a pack");
    at += packHeaderEntryBytes(blob.uncompressedLength !== undefined);
  }
  return blobs;
}

function parseEntry(header: Buffer, at: number, offset: number): PackedBlob {
  const kind = header.readUInt8(at);
  if (kind > 3) throw damaged(`there is no type ${kind} of blob`);
  const isCompressed = kind >= compressedType;
  const end = at + packHeaderEntryBytes(isCompressed);
  if (end > header.length) throw damaged("it ends within an entry");
  const length = header.readUInt32LE(at + 1);
  if (length < blobBytesMin) throw damaged(`a blob of ${length} bytes is too short`);
  const type = (kind & 1) === 1 ? "tree" : "data";
  const id = header.toString("hex", end - idBytes, end);
  if (!isCompressed) return { id, type, offset, length };
  return { id, type, offset, length, uncompressedLength: header.readUInt32LE(at + 5) };
}

function damaged(state: string): BackupError {
  return new BackupError("damaged", `Cannot read the header of a pack: ${state}`);
}
