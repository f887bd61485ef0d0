/**
 * Captures one live database: looks, chooses a method, tries, and looks again
 * as long as something was in the way that may go away. Runs in a capture process.
 *
 * @module
 */

import { realpathSync } from "node:fs";
import { dirname } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { asByteString, byteStringToDisplay, byteStringToPath } from "../../domain/byte-string.ts";
import type { Clock } from "../../domain/clock.ts";
import type { CaptureOutcome, CaptureRefusal, CaptureRequest } from "./capture.ts";
import { reasonText } from "../../domain/error.ts";
import { type Attempt, attemptFromError, type CaptureContext, type Made } from "./capture-attempt.ts";
import { removeImage } from "./capture-image.ts";
import { lookAt, readStart, sameFile, syncFolder } from "./capture-files.ts";
import { finishImage } from "./capture-finish.ts";
import { captureLocked } from "./capture-locked.ts";
import { capturePinned } from "./capture-pinned.ts";
import { type CapturePlan, planCapture, planWithoutContent } from "./capture-plan.ts";
import { captureRaw, createEmptyImage } from "./capture-raw.ts";
import { captureScratch } from "./capture-scratch.ts";
import { explainLocked } from "./lock-holders.ts";

/**
 * For how long SQLite must call an unchanging journal hot before we believe it.
 * A journal that a live writer just removed looks hot for a moment too.
 */
const hotJournalStableMs = 250;
/**
 * How far beyond the deadline a journal that looks hot is followed: several times what it takes to
 * believe in one, for it may have turned up late. One that never stays the same is not waited for.
 */
const hotJournalGraceMs = 2_000;
const retryMs = 20;

/** Hears of a capture while it is made. */
export interface CaptureListener {
  readonly report: (done: number, total: number) => void;
  /** So many bytes from the start of the image will not change any more, unless it is made anew: then 0 are told. */
  readonly steady: (bytes: number) => void;
  /** The image will not change any more; it is being checked. */
  readonly complete: () => void;
}

/** Captures, or says why not. @throws {BackupError} `no-space`, and what is not the database's fault */
export async function captureLive(
  request: CaptureRequest,
  clock: Clock,
  listener: CaptureListener,
): Promise<CaptureOutcome> {
  const deadline = clock.elapsed() + request.busyTimeoutMs;
  const suspicion = new JournalSuspicion(clock);
  let told = false;
  const steady = (bytes: number): void => {
    told = true;
    listener.steady(bytes);
  };
  for (;;) {
    const resolved = resolve(request, clock, deadline, { ...listener, steady });
    if ("outcome" in resolved) return resolved;
    const attempt = await attemptOnce(resolved, suspicion);
    if (attempt.result !== "again") return await conclude(resolved, attempt, listener.complete);
    await removeImage(request.imagePath);
    // Nothing of the next image may be told before it is complete, as where it is copied first and patched later.
    if (told) listener.steady(0);
    told = false;
    const hot = suspicion.note(resolved, attempt.hotJournal);
    if (clock.elapsed() > deadline + (suspicion.pending ? hotJournalGraceMs : 0)) {
      return giveUp(resolved, attempt);
    }
    if (!hot) await sleep(retryMs);
  }
}

/** What was in the way never went away. */
function giveUp(
  { request, files }: CaptureContext,
  { reason, message, hotJournal, isLocked = false }: Extract<Attempt, { readonly result: "again" }>,
): CaptureOutcome {
  const isHeld = reason === "busy" && !hotJournal;
  return refuse(request, reason, isHeld ? explainLocked(files, message, isLocked) : message);
}

/** Believes in a hot journal when the same one was called hot for long enough. */
class JournalSuspicion {
  readonly #clock: Clock;
  #since = 0;
  #first: CaptureContext | undefined;
  confirmed = false;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  get pending(): boolean {
    return this.#first !== undefined;
  }

  /** Answers whether it is certain now. */
  note(context: CaptureContext, looksHot: boolean): boolean {
    if (!looksHot) return this.#clear();
    const same = this.#first !== undefined && sameFile(this.#first.files.journal, context.files.journal);
    if (!same) {
      this.#first = context;
      this.#since = this.#clock.elapsed();
    }
    this.confirmed = same && this.#clock.elapsed() - this.#since >= hotJournalStableMs;
    return this.confirmed;
  }

  #clear(): false {
    this.#first = undefined;
    this.confirmed = false;
    return false;
  }
}

function resolve(
  request: CaptureRequest,
  clock: Clock,
  deadline: number,
  { report, steady }: CaptureListener,
): CaptureContext | CaptureOutcome {
  try {
    // Only the native one takes names that are not UTF-8.
    const real = realpathSync.native(byteStringToPath(request.path), { encoding: "buffer" });
    const path = asByteString(real.toString("latin1"));
    // What a walk found went through no link. One planted since would lead to a database of somebody else.
    if (request.trust === "found" && path !== request.path) {
      return refuse(request, "unreadable", "A link took the place of it or of its folder");
    }
    return { request, path, clock, deadline, files: lookAt(path), report, steady };
  } catch (error) {
    const code = error instanceof Error && "code" in error ? error.code : "";
    const missing = code === "ENOENT" || code === "ENOTDIR";
    return refuse(request, missing ? "missing" : "unreadable", missing ? "No such file" : reasonText(error));
  }
}

async function attemptOnce(context: CaptureContext, suspicion: JournalSuspicion): Promise<Attempt> {
  try {
    const early = planWithoutContent(context.files);
    const plan = early ?? planCapture(context.files, readStart(context.path), suspicion.confirmed);
    return await attemptPlan(plan, context);
  } catch (error) {
    return attemptFromError(error);
  }
}

function attemptPlan(plan: CapturePlan, context: CaptureContext): Promise<Attempt> | Attempt {
  switch (plan) {
    case "absent":
      return { result: "refused", reason: "missing", message: "No such file" };
    case "not-a-file":
      return { result: "refused", reason: "unreadable", message: "Not a regular file" };
    case "not-a-database":
      return { result: "damaged", message: "file is not a database" };
    case "unsafe-sidecar":
      return {
        result: "refused",
        reason: "unsafe-journal",
        message: "A file beside it is a link, or not a regular file",
      };
    case "empty":
      return createEmptyImage(context);
    case "pinned":
      return capturePinned(context);
    case "locked":
      return captureLocked(context);
    case "scratch":
      return captureScratch(context);
  }
}

/** Turns the last attempt into the answer; what SQLite cannot read is kept raw where the operator named it. */
async function conclude(
  context: CaptureContext,
  attempt: Exclude<Attempt, { readonly result: "again" }>,
  complete: () => void,
): Promise<CaptureOutcome> {
  const { request } = context;
  if (attempt.result === "made") return await finish(context, attempt, complete);
  await removeImage(request.imagePath);
  if (attempt.result === "refused") return refuse(request, attempt.reason, attempt.message);
  if (request.trust === "found") return refuse(request, "not-a-database", attempt.message);
  try {
    return await finish(context, await captureRaw(context, attempt.message), complete);
  } catch (error) {
    const failed = attemptFromError(error);
    return refuse(request, "reason" in failed ? failed.reason : "unreadable", reasonText(error));
  }
}

async function finish(context: CaptureContext, made: Made, complete: () => void): Promise<CaptureOutcome> {
  const { request } = context;
  const stat = lookAt(context.path).database ?? context.files.database;
  const finished = await finishImage(request.imagePath, made, request.check, complete);
  await syncFolder(dirname(request.imagePath));
  return {
    outcome: "captured",
    image: {
      imagePath: request.imagePath,
      ...finished,
      journalMode: made.journalMode,
      method: made.method,
      mode: Number(stat?.mode ?? 0o600n) & 0o7777,
      uid: Number(stat?.uid ?? 0n),
      gid: Number(stat?.gid ?? 0n),
      mtimeNs: stat?.mtimeNs ?? 0n,
      warnings: made.warnings,
    },
  };
}

function refuse(request: CaptureRequest, reason: CaptureRefusal, message: string): CaptureOutcome {
  return {
    outcome: "refused",
    reason,
    message: `Cannot capture ${byteStringToDisplay(request.path)}: ${message}`,
  };
}
