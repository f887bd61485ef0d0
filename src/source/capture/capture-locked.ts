/**
 * Capture in the rollback-journal modes: the file itself is the database while
 * a shared lock is held, which keeps writers from committing. So the lock is
 * kept short: what is large is copied before, and under the lock only compared.
 *
 * @module
 */

import { closeSync, fstatSync, read } from "node:fs";
import type { FileHandle } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import { isZeroedJournal } from "../../format/sqlite/journal.ts";
import { type Attempt, again, type CaptureContext } from "./capture-attempt.ts";
import { ChangedPieces } from "./capture-changes.ts";
import {
  blockBytes,
  copyBytes,
  createImage,
  lookAt,
  openForReading,
  readStart,
  sidecarPath,
} from "./capture-files.ts";
import { asOwner } from "./capture-owner.ts";
import { pinState } from "./capture-pinned.ts";
import { rollbackMode } from "./capture-plan.ts";
import { type Database, isBusy, openLive, pragma } from "./capture-sqlite.ts";

/** From this size on a file is copied before the lock is taken. Below, the whole copy takes some 10 ms. */
const preCopyFromBytes = 32 * 1024 * 1024;
/** How often to try for the lock. A busy writer leaves gaps of well under a millisecond. */
const lockPollMs = 1;

/** Blocks compared at once: enough to keep two cores at reading. The app's core is idle, for it waits. */
const lanes = 4;

const readBlock = promisify(read);

/** Captures under a shared lock, which SQLite takes and gives back (I9: it only reads). */
export async function captureLocked(context: CaptureContext): Promise<Attempt> {
  // Opened before SQLite opens it and closed after SQLite has closed it: closing
  // any descriptor of the file in this process would drop SQLite's lock.
  const source = openForReading(context.path);
  try {
    await using image = await createImage(context.request.imagePath);
    return await captureInto(context, source, image);
  } finally {
    closeSync(source);
  }
}

async function captureInto(context: CaptureContext, source: number, image: FileHandle): Promise<Attempt> {
  const size = fstatSync(source).size;
  const preCopied = size >= preCopyFromBytes;
  let { deadline } = context;
  if (preCopied) {
    // A copy in vain takes longer than the wait: who never gives way is found out before it.
    await waitForReaders(context);
    const startedAt = context.clock.elapsed();
    await copyBytes(source, image, { limit: size, report: (done) => context.report(done, size) });
    // The app's first commit after the lock would wait for the disk, too.
    await image.datasync();
    // Copying is no waiting.
    deadline += context.clock.elapsed() - startedAt;
  }
  const changes = new ChangedPieces(image.fd);
  const attempt = await whileLocked({ ...context, deadline }, source, async () => {
    await collectChanges(source, image, changes);
    return preCopied ? "pre-copy" : "one-step";
  });
  if (attempt.result !== "made") return attempt;
  const sizeUnderLock = changes.write();
  await image.truncate(sizeUnderLock);
  context.report(sizeUnderLock, sizeUnderLock);
  return attempt;
}

/** Runs `work` while no writer can commit. Everything in it is time the app may have to wait. */
async function whileLocked(
  context: CaptureContext,
  source: number,
  work: () => Promise<"pre-copy" | "one-step">,
): Promise<Attempt> {
  const database = asOwner(context.files.database, () => openLive(context.path));
  try {
    await lockShared(context, database);
    // The app may have gone over to WAL since the method was chosen: then the file alone is not the database.
    if (pragma(database, "journal_mode") === "wal") return again("it went over to WAL mode");
    const files = lookAt(context.path);
    if (files.database?.ino !== fstatSync(source, { bigint: true }).ino) return again("it was replaced");
    const method = await work();
    database.exec("ROLLBACK");
    const zeroed = (files.journal?.size ?? 0n) > 0n && journalIsZeroed(context);
    return { result: "made", method, journalMode: rollbackMode(files, zeroed), warnings: [] };
  } finally {
    database.close();
  }
}

/** Waits until somebody else may read, up to the deadline, and keeps no lock. */
async function waitForReaders(context: CaptureContext): Promise<void> {
  const database = asOwner(context.files.database, () => openLive(context.path));
  try {
    await lockShared(context, database);
    database.exec("ROLLBACK");
  } finally {
    database.close();
  }
}

/** Waits for the shared lock, up to the deadline. Kept inside the attempt so that a large copy is not made twice. */
async function lockShared(context: CaptureContext, database: Database): Promise<void> {
  for (;;) {
    try {
      asOwner(context.files.database, () => pinState(database));
      return;
    } catch (error) {
      if (database.isTransaction) database.exec("ROLLBACK");
      if (!isBusy(error) || context.clock.elapsed() > context.deadline) throw error;
      await sleep(lockPollMs);
    }
  }
}

/** Reads the file once, under the lock, against the copy; several blocks at a time, for every moment counts. */
async function collectChanges(source: number, image: FileHandle, changes: ChangedPieces): Promise<void> {
  const size = fstatSync(source).size;
  let next = 0;
  const lane = async (): Promise<void> => {
    const now = Buffer.allocUnsafe(blockBytes);
    const before = Buffer.allocUnsafe(blockBytes);
    while (next < size) {
      const position = next;
      next += blockBytes;
      const [is, was] = await Promise.all([
        readBlock(source, now, 0, blockBytes, position),
        image.read(before, 0, blockBytes, position),
      ]);
      changes.add(position, now.subarray(0, is.bytesRead), before.subarray(0, was.bytesRead));
    }
  };
  await Promise.all(Array.from({ length: lanes }, lane));
  changes.endAt(size);
}

function journalIsZeroed(context: CaptureContext): boolean {
  try {
    return isZeroedJournal(readStart(sidecarPath(context.path, "-journal")));
  } catch {
    // It is gone again, as journals come and go; the mode is only a record.
    return false;
  }
}
