/**
 * Whole small objects in one piece.
 *
 * @module
 */

import { BackupError } from "../domain/error.ts";
import type { Storage } from "./storage.ts";

/**
 * Reads an object that is known to be small into memory.
 *
 * @throws {BackupError} `damaged` if it is larger than `sizeBytesMax`: a
 *   document of ours never is, so what lies there is not ours
 */
export async function readAll(
  storage: Pick<Storage, "get">,
  name: string,
  sizeBytesMax: number,
  signal: AbortSignal,
): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of storage.get(name, undefined, signal)) {
    size += chunk.byteLength;
    if (size > sizeBytesMax) {
      throw new BackupError("damaged", `Cannot read ${name}: it is larger than ${sizeBytesMax} bytes`);
    }
    chunks.push(chunk);
  }
  return Buffer.concat(chunks, size);
}
