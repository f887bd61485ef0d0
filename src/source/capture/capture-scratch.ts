/**
 * Capture of a database that SQLite could only open by writing beside it: an
 * unfinished transaction of a dead app, a log without its shared memory, a WAL
 * database nobody has open, read-only media. The files are copied while nothing
 * changes them, and SQLite recovers the private copy. The original is only read.
 *
 * @module
 */

import { rm } from "node:fs/promises";
import { byteStringFromText } from "../../domain/byte-string.ts";
import { BackupError } from "../../domain/error.ts";
import { isSqliteHeader, parseDatabaseHeader } from "../../format/sqlite/header.ts";
import { hasJournalMagic, journalTailBytes, namesSuperJournal } from "../../format/sqlite/journal.ts";
import { firstFrameIsValid, walFrameHeaderBytes, walHeaderBytes } from "../../format/sqlite/wal.ts";
import { type Attempt, again, type CaptureContext } from "./capture-attempt.ts";
import {
  copyFileTo,
  lastChangeMs,
  lookAt,
  readEnd,
  readStart,
  sameFiles,
  sidecarPath,
} from "./capture-files.ts";
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
  const watch = new ChangeWatch(context);
  let copied: CopiedSidecars | "unsafe";
  try {
    copied = await copyFiles(context, watch);
  } catch (error) {
    if (watch.changed) return again("it changed while it was copied");
    throw error;
  }
  if (!sameFiles(files, lookAt(context.path))) return again("it changed while it was copied");
  return copied === "unsafe" ? superJournalRefusal : recover(context, copied);
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

async function copyFiles(context: CaptureContext, watch: ChangeWatch): Promise<CopiedSidecars | "unsafe"> {
  const { imagePath } = context.request;
  const { database, journal, wal } = context.files;
  const total = Number((database?.size ?? 0n) + (wal?.size ?? 0n) + (journal?.size ?? 0n));
  let before = 0;
  const report = (done: number): void => {
    context.report(Math.min(before + done, total), total);
    watch.look();
  };
  const copied = await copyFileTo(context.path, imagePath, report);
  before += copied;
  let hotJournal = false;
  if ((journal?.size ?? 0n) > 0n) {
    const copyPath = `${imagePath}-journal`;
    const journalBytes = await copyFileTo(sidecarPath(context.path, "-journal"), copyPath, report);
    before += journalBytes;
    hotJournal = hasJournalMagic(readStart(byteStringFromText(copyPath)));
    if (hotJournal && namesSuperJournal(readEnd(copyPath, journalTailBytes))) return "unsafe";
    if (!hotJournal) await rm(copyPath);
  }
  const log = (wal?.size ?? 0n) > 0n;
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
  return { result: "made", method, journalMode: isWal ? "wal" : "delete", warnings };
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
