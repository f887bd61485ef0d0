/**
 * Builds one database beside its target: bytes verified, opened and checked, with
 * the journal mode, mode and owner it had.
 *
 * @module
 */

import { createHash } from "node:crypto";
import { chmod, chown, open, rm, stat } from "node:fs/promises";
import type { BackupDatabase } from "../../domain/backup.ts";
import {
  type ByteString,
  byteStringFromText,
  byteStringToPath,
  byteStringToUtf8,
} from "../../domain/byte-string.ts";
import { BackupError, reasonText } from "../../domain/error.ts";
import type { DatabaseCapturer } from "../../source/capture/database-capturer.ts";
import { setImageJournalMode } from "../../source/capture/image-finish.ts";
import { withSidecars } from "../../source/sidecar-names.ts";
import type { StagedTarget } from "./layout.ts";
import type { PreparedRestore } from "./prepare.ts";
import type { StageProgress } from "./stage-progress.ts";

interface DatabaseStaging {
  readonly capturer: DatabaseCapturer;
  readonly progress: StageProgress;
}

/** @throws {BackupError} `damaged` if the bytes are not what was backed up, or are no sound database */
export async function stageDatabase(
  prepared: PreparedRestore,
  { target, place, builtPath }: StagedTarget,
  { capturer, progress }: DatabaseStaging,
  signal: AbortSignal,
): Promise<void> {
  if (target.kind !== "database") return;
  const { database } = target;
  await writeImage(prepared, database, builtPath, progress, signal).catch((error: unknown) => {
    throw explained(database, error);
  });
  // What was damaged when it was backed up is given back as it was; the plan has said so.
  if (database.check.ok) await checkImage(capturer, database, builtPath, signal);
  // A live one is only read from: SQLite puts the mode into the target itself.
  const isLive = prepared.layout.live.some(({ imagePath }) => imagePath === builtPath);
  if (!isLive) await setImageJournalMode(textOf(builtPath), database.journalMode);
  await setOwner(builtPath, database, place.path);
  await syncFile(builtPath);
  progress.wrote(0, byteStringFromText(database.name));
}

async function writeImage(
  { reader }: PreparedRestore,
  database: BackupDatabase,
  path: ByteString,
  progress: StageProgress,
  signal: AbortSignal,
): Promise<void> {
  const hash = createHash("sha256");
  await using file = await open(byteStringToPath(path), "wx", 0o600);
  const name = byteStringFromText(database.name);
  for await (const chunk of reader.readDatabase(database.name, signal)) {
    signal.throwIfAborted();
    hash.update(chunk);
    await file.writeFile(chunk);
    progress.wrotePart(chunk.length, name);
  }
  const sha256 = hash.digest("hex");
  // A repository has none: there every piece is named by its own hash, and verified by it.
  if (!database.sha256 || sha256 === database.sha256) return;
  throw new BackupError(
    "damaged",
    `Cannot restore database ${database.name}: its SHA-256 is ${sha256}, wanted ${database.sha256}`,
    { hint: "Nothing was changed; restore another backup." },
  );
}

/** Puts what the file system said into our words. */
function explained({ name }: BackupDatabase, error: unknown): unknown {
  const { code, syscall } = error as { readonly code?: unknown; readonly syscall?: unknown };
  if (error instanceof BackupError || syscall === undefined) return error;
  const isFull = code === "ENOSPC" || code === "EDQUOT";
  return new BackupError(
    isFull ? "no-space" : "storage-unavailable",
    `Cannot restore database ${name}: ${isFull ? "the disk is full" : reasonText(error)}`,
    { hint: isFull ? "Nothing was changed; free some space." : "Nothing was changed.", cause: error },
  );
}

async function checkImage(
  capturer: DatabaseCapturer,
  database: BackupDatabase,
  path: ByteString,
  signal: AbortSignal,
): Promise<void> {
  const check = await capturer.checkImage(textOf(path), "quick_check", signal);
  for (const sidecar of withSidecars(path).slice(1)) await rm(byteStringToPath(sidecar), { force: true });
  if (check.ok) return;
  throw new BackupError(
    "damaged",
    `Cannot restore database ${database.name}: ${check.messages[0] ?? "it fails its check"}`,
    { hint: "Nothing was changed; restore another backup." },
  );
}

/** A file of the Python original does not know its owner: it gets those of the file that it replaces. */
async function setOwner(path: ByteString, database: BackupDatabase, replaced: ByteString): Promise<void> {
  const current =
    database.uid < 0 ? await stat(byteStringToPath(replaced)).catch(() => undefined) : undefined;
  const { uid, gid, mode } = current ?? database;
  const own = process.geteuid?.();
  if (uid >= 0 && own === 0) await chown(byteStringToPath(path), uid, gid);
  // A group of this user's: it shares the database with others.
  else if (own !== undefined && process.getgroups?.().includes(gid) === true)
    await chown(byteStringToPath(path), own, gid);
  await chmod(byteStringToPath(path), mode & 0o777);
}

async function syncFile(path: ByteString): Promise<void> {
  await using file = await open(byteStringToPath(path), "r");
  await file.sync();
}

function textOf(path: ByteString): string {
  const text = byteStringToUtf8(path);
  if (text !== undefined) return text;
  throw new BackupError("unsupported", "Cannot restore a database into a folder whose name is not UTF-8", {
    hint: "Restore into another folder with --target.",
  });
}
