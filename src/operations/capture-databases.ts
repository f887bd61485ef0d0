/**
 * Captures the declared databases of a source, before any file is read (mission J2).
 *
 * @module
 */

import type { DatabaseCheck } from "../domain/backup.ts";
import { byteStringFromText, byteStringToDisplay } from "../domain/byte-string.ts";
import type { CapturedImage, ImageListener } from "../source/capture/capture.ts";
import type { DatabaseCapturer } from "../source/capture/database-capturer.ts";
import type { DatabaseImage } from "../vault/vault.ts";
import { mapBounded } from "./bounded.ts";
import type { ImagePlace } from "./image-place.ts";
import type { DatabaseSource } from "./requests.ts";
import type { RunLog } from "./run-log.ts";

/** A declared database and what became of it. */
export interface CapturedDatabase {
  readonly database: DatabaseSource;
  /** Undefined where it could not be captured. */
  readonly image: DatabaseImage | undefined;
  /** Why it could not, as a clause; empty where it could. */
  readonly refusal: string;
  /** Did others keep it locked? The refusal says who and what helps. */
  readonly busy: boolean;
  /** Is the live file of zero bytes? */
  readonly empty: boolean;
}

export interface CaptureOptions {
  readonly check: Exclude<DatabaseCheck["method"], "not-run">;
  readonly capturer: Pick<DatabaseCapturer, "capture">;
  readonly images: ImagePlace;
  /** Gives who hears of an image while it is made, if anybody wants to. */
  readonly expect: (imagePath: string) => ImageListener | undefined;
  readonly log: RunLog;
}

/** Each capture reads one disk and fills one core; more at once only get in each other's way. */
const capturesAtOnce = 2;

/** Longer than any sane transaction; an app that holds its database longer than this is stuck. */
const busyTimeoutMs = 30_000;

/**
 * Captures all databases, two at a time, in the order given. One that cannot be captured
 * is a problem that the log hears of, not an error.
 */
export async function captureDatabases(
  databases: readonly DatabaseSource[],
  options: CaptureOptions,
  signal: AbortSignal,
): Promise<readonly CapturedDatabase[]> {
  const progress = new CaptureProgress(options.log, databases.length);
  return await mapBounded(databases, capturesAtOnce, async (database) => {
    signal.throwIfAborted();
    const captured = await captureOne(database, { ...options, progress }, signal);
    progress.finished(database);
    return captured;
  });
}

async function captureOne(
  database: DatabaseSource,
  { check, capturer, images, expect, log, progress }: CaptureOptions & { readonly progress: CaptureProgress },
  signal: AbortSignal,
): Promise<CapturedDatabase> {
  const imagePath = images.newPath();
  const path = byteStringFromText(database.path);
  const outcome = await capturer.capture(
    { path, imagePath, trust: "declared", check, busyTimeoutMs },
    (bytesDone, bytesTotal) => progress.update(database, bytesDone, bytesTotal),
    signal,
    expect(imagePath),
  );
  if (outcome.outcome === "refused") {
    log.problem({ kind: "unreadable", path: database.path, message: outcome.message });
    const isMissing = outcome.reason === "missing";
    // It is named already where this is said.
    const reason = outcome.message.replace(`Cannot capture ${byteStringToDisplay(path)}: `, "");
    const refusal = isMissing ? "is missing" : `could not be captured: ${reason}`;
    return { database, image: undefined, refusal, busy: outcome.reason === "busy", empty: false };
  }
  for (const warning of outcome.image.warnings) log.warning(`${database.path}: ${warning}`);
  const empty = outcome.image.method === "empty";
  return { database, image: describeImage(database, outcome.image), refusal: "", busy: false, empty };
}

function describeImage(database: DatabaseSource, image: CapturedImage): DatabaseImage {
  const { imagePath, sizeBytes, pageSizeBytes, journalMode, check, mode, uid, gid } = image;
  const { name, path } = database;
  return { name, path, imagePath, sizeBytes, pageSizeBytes, journalMode, check, mode, uid, gid };
}

/** Adds up the progress of several captures. */
class CaptureProgress {
  readonly #log: RunLog;
  readonly #itemsTotal: number;
  readonly #parts = new Map<DatabaseSource, { readonly done: number; readonly total: number }>();
  #itemsDone = 0;

  constructor(log: RunLog, itemsTotal: number) {
    this.#log = log;
    this.#itemsTotal = itemsTotal;
  }

  update(database: DatabaseSource, done: number, total: number): void {
    // Never down, although a capture that starts again counts from 0.
    const before = this.#parts.get(database)?.done ?? 0;
    this.#parts.set(database, { done: Math.max(done, before), total: Math.max(total, before) });
    this.#log.progress({ ...this.#sums(), current: database.path });
  }

  finished(database: DatabaseSource): void {
    this.#itemsDone++;
    const part = this.#parts.get(database);
    if (part !== undefined) this.#parts.set(database, { done: part.total, total: part.total });
    this.#log.finalProgress({ ...this.#sums(), current: database.path });
  }

  #sums(): {
    phase: "capture";
    bytesDone: number;
    bytesTotal: number;
    itemsDone: number;
    itemsTotal: number;
  } {
    let [bytesDone, bytesTotal] = [0, 0];
    for (const { done, total } of this.#parts.values()) {
      bytesDone += done;
      bytesTotal += total;
    }
    const [itemsDone, itemsTotal] = [this.#itemsDone, this.#itemsTotal];
    return { phase: "capture", bytesDone, bytesTotal, itemsDone, itemsTotal };
  }
}
