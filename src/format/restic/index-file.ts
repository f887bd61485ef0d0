/**
 * An index file: which blobs lie where in which packs. Source: restic
 * `doc/design.rst`, "Indexing". The field `supersedes` of older versions is not read, as
 * restic no longer does.
 *
 * @module
 */

import { JsonScanner } from "./json-scan.ts";
import type { BlobType, IndexedPack, PackedBlob } from "./model.ts";

/** Offsets and lengths within packs are 32-bit numbers, in restic too. */
const uint32Max = 0xffff_ffff;

/** The plain bytes of an index file over these packs. */
export function encodeIndex(packs: readonly IndexedPack[]): Buffer {
  const texts = packs.map(({ id, blobs }) => `{"id":"${id}","blobs":[${blobs.map(encodeBlob).join(",")}]}`);
  return Buffer.from(`{"packs":[${texts.join(",")}]}\n`, "latin1");
}

function encodeBlob({ id, type, offset, length, uncompressedLength }: PackedBlob): string {
  const plain = uncompressedLength === undefined ? "" : `,"uncompressed_length":${uncompressedLength}`;
  return `{"id":"${id}","type":"${type}","offset":${offset},"length":${length}${plain}}`;
}

/**
 * Calls `onPack` for every pack of an index file, in its order. One pack may come more than
 * once, and when the file turns out damaged some have been handed out already.
 *
 * @throws {BackupError} `damaged`
 */
export function parseIndex(bytes: Uint8Array, onPack: (pack: IndexedPack) => void): void {
  const scanner = new JsonScanner(bytes, "an index");
  let hasPacks = false;
  for (let key = scanner.firstKey(); key !== undefined; key = scanner.nextKey()) {
    if (key !== "packs") {
      scanner.takeRaw();
      continue;
    }
    hasPacks = true;
    if (scanner.takeNull()) continue;
    for (let more = scanner.firstItem(); more; more = scanner.nextItem()) onPack(takePack(scanner));
  }
  scanner.finish();
  // The format before 2015 was a list of blobs; taking it for an empty index would lose them all.
  if (!hasPacks) throw scanner.damaged("no packs");
}

function takePack(scanner: JsonScanner): IndexedPack {
  let id: string | undefined;
  const blobs: PackedBlob[] = [];
  for (let key = scanner.firstKey(); key !== undefined; key = scanner.nextKey()) {
    if (key === "id") id = scanner.takeObjectId();
    else if (key === "blobs") takeBlobs(scanner, blobs);
    else scanner.takeRaw();
  }
  if (id === undefined) throw scanner.damaged("a pack without an id");
  return { id, blobs };
}

function takeBlobs(scanner: JsonScanner, blobs: PackedBlob[]): void {
  if (scanner.takeNull()) return;
  for (let more = scanner.firstItem(); more; more = scanner.nextItem()) blobs.push(takeBlob(scanner));
}

function takeBlob(scanner: JsonScanner): PackedBlob {
  let id: string | undefined;
  let type: BlobType | undefined;
  let offset: number | undefined;
  let length: number | undefined;
  let uncompressedLength = 0;
  for (let key = scanner.firstKey(); key !== undefined; key = scanner.nextKey()) {
    if (key === "id") id = scanner.takeObjectId();
    else if (key === "type") type = takeBlobType(scanner);
    else if (key === "offset") offset = scanner.takeWhole(uint32Max);
    else if (key === "length") length = scanner.takeWhole(uint32Max);
    else if (key === "uncompressed_length") uncompressedLength = scanner.takeWhole(uint32Max);
    else scanner.takeRaw();
  }
  if (id === undefined || type === undefined || offset === undefined || length === undefined) {
    throw scanner.damaged("a blob without id, type, offset or length");
  }
  return uncompressedLength === 0
    ? { id, type, offset, length }
    : { id, type, offset, length, uncompressedLength };
}

function takeBlobType(scanner: JsonScanner): BlobType {
  const type: string = scanner.takeString();
  if (type !== "data" && type !== "tree") throw scanner.damaged("a blob of an unknown type");
  return type;
}
