/**
 * Capture of a database that SQLite could only open by writing beside it: an
 * unfinished transaction of a dead app, a log without its shared memory, a WAL
 * database nobody has open, read-only media. The files are copied while nothing
 * changes them, and SQLite recovers the private copy. The original is only read.
 *
 * @module
 */

import { type BigIntStats, closeSync } from "node:fs";
import { rm } from "node:fs/promises";
import { byteStringFromText } from "../../domain/byte-string.ts";
import { BackupError } from "../../domain/error.ts";
import { isSqliteHeader, parseDatabaseHeader } from "../../format/sqlite/header.ts";
import { hasJournalMagic, journalTailBytes, namesSuperJournal } from "../../format/sqlite/journal.ts";
import { firstFrameIsValid, walFrameHeaderBytes, walHeaderBytes } from "../../format/sqlite/wal.ts";
import type { CaptureMethod } from "./capture.ts";
import { type Attempt, again, type CaptureContext } from "./capture-attempt.ts";
import {
  copyFileTo,
  lastChangeMs,
  lookAt,
  openForReading,
  readEnd,
  readStart,
  sameFiles,
  sidecarPath,
} from "./capture-files.ts";
import { copyMerged } from "./capture-merged.ts";
import { isMostlyHoles } from "./capture-plan.ts";
import { recoverCopy } from "./capture-recovery.ts";

/**
 * File times move in ticks of up to 10 ms, so a write in the tick of the first
 * look could go unseen. Files younger than this are looked at again later.
 */
const quietMs = 25;
/** How often to look while a large file is copied: three system calls, for some hundred copied megabytes. */
const lookAgainMs = 100;
const largestFrameBytes = walHeaderBytes + walFrameHeaderBytes + 65_536;

/** What lay beside the database and was copied with it. */
interface CopiedSidecars {
  readonly hotJournal: boolean;
  readonly log: boolean;
}

/** Captures by copying and recovering the copy (I9). */
export async function captureScratch(context: CaptureContext): Promise<Attempt> {
  const { files } = context;
  const age = context.clock.now() - lastChangeMs(files);
  if (age >= 0 && age < quietMs) return again("it was written just now");
  if (context.request.trust === "found" && isMostlyHoles(files)) {
    return { result: "refused", reason: "not-a-database", message: "Consists of holes, not of pages" };
  }
  const isAlone = sizeOf(files.journal) + sizeOf(files.wal) === 0;
  return isAlone ? await copyAlone(context) : await copyAll(context);
}

/** With nothing beside it the file is the database as it is: others may read the image while it is made. */
async function copyAlone(context: CaptureContext): Promise<Attempt> {
  const start = readStart(context.path);
  if (!isSqliteHeader(start)) return { result: "damaged", message: "file is not a database" };
  const refusal = await whileUnchanged(context, async (look) => {
    const report = (done: number, total: number): void => {
      context.report(done, total);
      look();
    };
    const source = openForReading(context.path);
    try {
      return await copyMerged({ ...context, report }, source, undefined);
    } finally {
      closeSync(source);
    }
  });
  return refusal ?? made("scratch-copy", parseDatabaseHeader(start)?.isWal === true, []);
}

async function copyAll(context: CaptureContext): Promise<Attempt> {
  const copied = await whileUnchanged(context, (look) => copyFiles(context, look));
  if (copied === "unsafe") return superJournalRefusal;
  return "result" in copied ? copied : recover(context, copied);
}

/** Runs `copy`, whose answer counts only if the files are the same afterwards; `look` throws once they are not. */
async function whileUnchanged<T>(
  context: CaptureContext,
  copy: (look: () => void) => Promise<T>,
): Promise<T | Attempt> {
  const watch = new ChangeWatch(context);
  let copied: T;
  try {
    copied = await copy(() => watch.look());
  } catch (error) {
    if (watch.changed) return again("it changed while it was copied");
    throw error;
  }
  return sameFiles(context.files, lookAt(context.path)) ? copied : again("it changed while it was copied");
}

const superJournalRefusal: Attempt = {
  result: "refused",
  reason: "unsafe-journal",
  message: "The journal beside it belongs to a transaction over several databases and names other files",
};

/** Gives up a copy as soon as it is in vain: an app that goes on writing must not be waited for longer than agreed. */
class ChangeWatch {
  changed = false;
  readonly #context: CaptureContext;
  #lookedAt: number;

  constructor(context: CaptureContext) {
    this.#context = context;
    this.#lookedAt = context.clock.elapsed();
  }

  /** @throws {BackupError} `locked` once something changed */
  look(): void {
    const { clock, files, path } = this.#context;
    if (clock.elapsed() - this.#lookedAt < lookAgainMs) return;
    this.#lookedAt = clock.elapsed();
    this.changed = !sameFiles(files, lookAt(path));
    if (this.changed) throw new BackupError("locked", "Cannot copy the database: it changed meanwhile");
  }
}

async function copyFiles(context: CaptureContext, look: () => void): Promise<CopiedSidecars | "unsafe"> {
  const { imagePath } = context.request;
  const { database, journal, wal } = context.files;
  const total = sizeOf(database) + sizeOf(wal) + sizeOf(journal);
  let before = 0;
  const report = (done: number): void => {
    context.report(Math.min(before + done, total), total);
    look();
  };
  const copied = await copyFileTo(context.path, imagePath, report);
  before += copied;
  let hotJournal = false;
  if (sizeOf(journal) > 0) {
    const copyPath = `${imagePath}-journal`;
    const journalBytes = await copyFileTo(sidecarPath(context.path, "-journal"), copyPath, report);
    before += journalBytes;
    hotJournal = hasJournalMagic(readStart(byteStringFromText(copyPath)));
    if (hotJournal && namesSuperJournal(readEnd(copyPath, journalTailBytes))) return "unsafe";
    if (!hotJournal) await rm(copyPath);
  }
  const log = sizeOf(wal) > 0;
  if (log) await copyFileTo(sidecarPath(context.path, "-wal"), `${imagePath}-wal`, report);
  return { hotJournal, log };
}

function recover(context: CaptureContext, copied: CopiedSidecars): Attempt {
  const { imagePath } = context.request;
  const start = readStart(byteStringFromText(imagePath));
  if (!isSqliteHeader(start)) return { result: "damaged", message: "file is not a database" };
  const warnings = warningsFor(imagePath, copied);
  const refusal = copied.hotJournal || copied.log ? recoverCopy(context) : undefined;
  if (refusal !== undefined) return refusal;
  const isWal = parseDatabaseHeader(readStart(byteStringFromText(imagePath)))?.isWal === true;
  const method = copied.hotJournal ? "rolled-back-copy" : "scratch-copy";
  return made(method, isWal, warnings);
}

function made(method: CaptureMethod, isWal: boolean, warnings: readonly string[]): Attempt {
  return { result: "made", method, journalMode: isWal ? "wal" : "delete", warnings };
}

function sizeOf(file: BigIntStats | undefined): number {
  return Number(file?.size ?? 0n);
}

function warningsFor(copyPath: string, copied: CopiedSidecars): string[] {
  const warnings: string[] = [];
  if (copied.hotJournal) {
    warnings.push(
      "An interrupted transaction was rolled back on a copy; the database itself was left as it is.",
    );
  }
  if (copied.log && firstFrameIsValid(readStart(byteStringFromText(`${copyPath}-wal`), largestFrameBytes))) {
    warnings.push(
      "The app ended without closing the database; the transactions in its -wal file are in the image, and the files were left as they are.",
    );
  }
  return warnings;
}
