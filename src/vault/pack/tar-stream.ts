/**
 * A tar as a stream of bytes, from items as they are read. Holds no item whole.
 *
 * @module
 */

import { BackupError } from "../../domain/error.ts";
import { byteStringToDisplay } from "../../domain/byte-string.ts";
import type { PackedItem } from "../../domain/packed-item.ts";
import {
  encodeTarHeader,
  tarBlockBytes,
  tarEndBytes,
  tarHeaderBytesMax,
  tarPaddingBytes,
} from "../../format/archive/tar-header.ts";

const zeros = new Uint8Array(Math.max(tarBlockBytes, tarEndBytes));

/**
 * The tar of these items. Chunks are valid until the next one is asked for.
 *
 * @throws {BackupError} `damaged` where content is not as long as its item says
 */
export async function* tarStream(
  items: AsyncIterable<PackedItem>,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array> {
  const header = Buffer.alloc(tarHeaderBytesMax);
  for await (const item of items) {
    signal.throwIfAborted();
    const { kind, name, mode, mtimeNs, sizeBytes, linkTarget, hardLinkTo } = item;
    // A file that is not ours does not know its owner.
    const [uid, gid] = [Math.max(0, item.uid), Math.max(0, item.gid)];
    const member = { kind, name, mode, uid, gid, mtimeNs, sizeBytes, userName: "", groupName: "" };
    yield header.subarray(0, encodeTarHeader({ ...member, linkTarget, hardLinkTo }, header, 0));
    yield* contentOf(item, signal);
    const padding = tarPaddingBytes(sizeBytes);
    if (padding > 0) yield zeros.subarray(0, padding);
  }
  yield zeros.subarray(0, tarEndBytes);
}

/** The content, which has the length that the header promised. */
async function* contentOf(item: PackedItem, signal: AbortSignal): AsyncGenerator<Uint8Array> {
  let sizeBytes = 0;
  for await (const chunk of item.content ?? []) {
    signal.throwIfAborted();
    sizeBytes += chunk.length;
    if (sizeBytes > item.sizeBytes) break;
    yield chunk;
  }
  if (sizeBytes !== item.sizeBytes) throw wrongLength(item);
}

/** What was read of an item has another length than was recorded. */
export function wrongLength({ name, sizeBytes }: PackedItem): BackupError {
  return new BackupError(
    "damaged",
    `Cannot read ${byteStringToDisplay(name)}: it does not have the ${sizeBytes} bytes that were recorded`,
  );
}
