/**
 * Verifies one backup of a repository: that its trees can be read and every blob is
 * where the index says, or also that each blob is what its name says. Names what is
 * wrong by file.
 *
 * @module
 */

import { randomUUID } from "node:crypto";
import { open, unlink } from "node:fs/promises";
import { join } from "node:path";
import { BackupError, errorText, isBackupError } from "../../domain/error.ts";
import type { VerifyOptions, VerifyReport } from "../vault.ts";
import { databaseNode, type OpenedBackup, openBackup } from "./backup-reader.ts";
import { isObjectId } from "./objects.ts";
import { readNode } from "./read/read-node.ts";
import { Verification } from "./read/verification.ts";
import type { Repository } from "./repository.ts";

/** @throws {BackupError} `not-found`. Damage is a finding, not an error */
export async function verifyBackup(
  repo: Repository,
  id: string,
  options: VerifyOptions,
  signal: AbortSignal,
): Promise<VerifyReport> {
  let opened: OpenedBackup;
  try {
    opened = await openBackup(repo, id, "read-again", signal);
  } catch (error) {
    if (!isBackupError(error, "damaged")) throw error;
    return unreadable(id, error);
  }
  await using _reading = opened.reading;
  const verification = new Verification(repo, opened, options);
  const found = await verification.run(signal);
  const databasesChecked =
    options.depth === "content" ? await checkDatabases(opened, verification, options, signal) : 0;
  return { id, ...found, ...verification.result(), databasesChecked, unverified: false };
}

function unreadable(id: string, error: BackupError): VerifyReport {
  const { pack } = error.details;
  const object =
    pack === undefined ? `snapshots/${isObjectId(id) ? id : ""}` : `data/${String(pack).slice(0, 2)}/${pack}`;
  return {
    id,
    ok: false,
    damages: [{ object, message: errorText(error) }],
    bytesRead: 0,
    entriesChecked: 0,
    databasesChecked: 0,
    unverified: false,
  };
}

/** Opens a copy of each database whose bytes are whole. */
async function checkDatabases(
  opened: OpenedBackup,
  verification: Verification,
  options: VerifyOptions,
  signal: AbortSignal,
): Promise<number> {
  const { manifest } = opened.described;
  let checked = 0;
  for (const { name, check } of manifest?.databases ?? []) {
    signal.throwIfAborted();
    const path = join(options.scratchDirectory, `verify-${randomUUID()}.db`);
    try {
      const node = await databaseNode(opened.reading, opened.found, manifest, name, signal);
      await copyTo(path, readNode(opened.reading, node, undefined, name, signal));
      const messages = await options.checkDatabase(path, signal);
      checked++;
      // One that failed its check when it was captured is stored as it was: known, and no damage of the backup.
      if (check.ok)
        for (const message of messages) verification.report({ object: name, path: name, message });
    } catch (error) {
      // Damaged blobs have been reported with the files that need them.
      if (!isBackupError(error, "damaged")) throw error;
      verification.reportOnce({ object: name, path: name, message: errorText(error) });
    } finally {
      await unlink(path).catch(() => undefined);
    }
  }
  return checked;
}

async function copyTo(path: string, content: AsyncIterable<Uint8Array>): Promise<void> {
  await using file = await open(path, "wx", 0o600).catch((error: unknown) => {
    throw new BackupError("storage-unavailable", `Cannot write ${path}: ${errorText(error)}`, {
      cause: error,
    });
  });
  for await (const chunk of content) await file.writeFile(chunk);
}
