/**
 * A pack's header, read from the pack's end: what the pack itself says is in it.
 *
 * @module
 */

import { BackupError } from "../../../domain/error.ts";
import { openBox } from "../../../format/restic/crypto-box.ts";
import type { MasterKey, ObjectId, PackedBlob } from "../../../format/restic/model.ts";
import { packHeaderBytesMax, parsePackHeader } from "../../../format/restic/pack-header.ts";
import type { Storage } from "../../../storage/storage.ts";
import { packName } from "../objects.ts";
import { lengthFieldBytes } from "./pack-bytes.ts";

/** Bytes at a pack's end among which its header must be. */
export const headerTailBytesMax: number = packHeaderBytesMax + lengthFieldBytes;

/** Read first: holds the header of a pack of 100 blobs, so that most packs take one request. */
const firstReadBytes = 4 * 1024;

/**
 * The blobs of a pack by its header.
 *
 * @param tail the last bytes of the pack
 * @throws {BackupError} `damaged`, also if the header does not begin within `tail`
 */
export function parseTail(key: MasterKey, tail: Uint8Array): readonly PackedBlob[] {
  const end = tail.length - lengthFieldBytes;
  const length = headerBoxBytes(tail);
  if (length > end) throw damaged(`it should have ${length} bytes, and ${Math.max(0, end)} are there`);
  return parsePackHeader(openBox(key, tail.subarray(end - length, end)));
}

/** Reads a pack's header, and nothing else of it. @throws {BackupError} `damaged`, `not-found` */
export async function readHeader(
  repo: { readonly storage: Pick<Storage, "get">; readonly key: MasterKey },
  pack: { readonly id: ObjectId; readonly sizeBytes: number },
  signal: AbortSignal,
): Promise<readonly PackedBlob[]> {
  const first = await readEnd(repo.storage, pack, Math.min(firstReadBytes, pack.sizeBytes), signal);
  const wanted = headerBoxBytes(first) + lengthFieldBytes;
  if (wanted <= first.length || wanted > pack.sizeBytes) return parseTail(repo.key, first);
  if (wanted > headerTailBytesMax) throw damaged(`it should have ${wanted} bytes, more than any has`);
  return parseTail(repo.key, await readEnd(repo.storage, pack, wanted, signal));
}

async function readEnd(
  storage: Pick<Storage, "get">,
  { id, sizeBytes }: { readonly id: ObjectId; readonly sizeBytes: number },
  length: number,
  signal: AbortSignal,
): Promise<Uint8Array> {
  if (length === 0) return new Uint8Array();
  const range = { offset: sizeBytes - length, length };
  return Buffer.concat(await Array.fromAsync(storage.get(packName(id), range, signal)));
}

/** What the last four bytes say. */
function headerBoxBytes(tail: Uint8Array): number {
  const at = tail.length - lengthFieldBytes;
  if (at < 0) throw damaged("the pack is too short to have one");
  return new DataView(tail.buffer, tail.byteOffset + at).getUint32(0, true);
}

function damaged(state: string): BackupError {
  return new BackupError("damaged", `Cannot read the header of a pack: ${state}`);
}
