/**
 * Removes what a test has left, also where a folder's mode keeps out everybody but
 * root: restored folders have the modes they were backed up with.
 *
 * @module
 */

import { chmodSync, readdirSync, rmSync } from "node:fs";

/** Succeeds where nothing is there. */
export function removeTree(path: string): void {
  try {
    rmSync(path, { recursive: true, force: true, maxRetries: 3 });
  } catch (error) {
    if (!(error instanceof Error && "code" in error && error.code === "EACCES")) throw error;
    openFolders(Buffer.from(path));
    rmSync(path, { recursive: true, force: true });
  }
}

/** Names as bytes: not all that tests write are text. */
function openFolders(folder: Buffer): void {
  chmodSync(folder, 0o700);
  for (const entry of readdirSync(folder, { withFileTypes: true, encoding: "buffer" })) {
    if (entry.isDirectory()) openFolders(Buffer.concat([folder, Buffer.from("/"), entry.name]));
  }
}
