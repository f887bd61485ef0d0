/**
 * Captures live databases, and looks into the images, in processes of their
 * own: SQLite's locks and a stranger's file are both kept away from the program
 * that embeds us. The ways of capturing are in `capture-live.ts`.
 *
 * @module
 */

import { lstat, stat } from "node:fs/promises";
import type { DatabaseCheck } from "../../domain/backup.ts";
import { byteStringToDisplay, byteStringToPath } from "../../domain/byte-string.ts";
import { BackupError } from "../../domain/error.ts";
import type { CaptureOutcome, CaptureRefusal, CaptureRequest, ImageListener } from "./capture.ts";
import { removeImage } from "./capture-image.ts";
import type { TaskName, Tasks } from "./capture-messages.ts";
import { CapturePool } from "./capture-pool.ts";
import { isProcessDeath, type TaskListener } from "./capture-process.ts";
import { valuesFrom } from "./image-values.ts";

/** Each takes some 60 MB and a core; more of them would only get into each other's way. */
const defaultProcesses = 2;

/** A stranger's file gets this long... */
const foundBaseMs = 60_000;
/** ...and this much longer per MiB: some ten times what an honest one needs. */
const foundMsPerMiB = 100;

export interface DatabaseCapturerOptions {
  /** How many captures may run at once; further ones wait. Default 2. */
  readonly processes?: number;
  /** The time limit of `found` databases, milliseconds, instead of one minute and a tenth of a second per MiB. */
  readonly foundLimitMs?: number;
}

/** Makes a capturer. Processes start when they are first needed; dispose it to end them. */
export function openDatabaseCapturer(options: DatabaseCapturerOptions = {}): Promise<DatabaseCapturer> {
  return Promise.resolve(new DatabaseCapturer(options));
}

export class DatabaseCapturer implements AsyncDisposable {
  readonly #options: DatabaseCapturerOptions;
  readonly #pool: CapturePool;
  readonly #isLent: boolean;

  /** Made by {@link openDatabaseCapturer}; works with the processes of another where `lent` is given. */
  constructor(options: DatabaseCapturerOptions, lent?: CapturePool) {
    this.#options = options;
    this.#pool = lent ?? new CapturePool(options.processes ?? defaultProcesses);
    this.#isLent = lent !== undefined;
  }

  /** Starts a process, for a caller who will need one but has other things to do first. */
  prepare(): void {
    this.#pool.prepare();
  }

  /** A capturer with the same processes; disposing of it does not end them. */
  lend(): DatabaseCapturer {
    return new DatabaseCapturer(this.#options, this.#pool);
  }

  /**
   * Captures one live database. What cannot be captured is an answer, not an error.
   *
   * @param image - Hears of the image of a declared database while it is made.
   * @param onProgress - Bytes done of bytes in all; the total may change while a writer goes on.
   * @throws {BackupError} `exists` if there is a file at `imagePath`, `no-space`, `source-unavailable` if the process died over a declared database
   */
  async capture(
    request: CaptureRequest,
    onProgress: (done: number, total: number) => void,
    signal: AbortSignal,
    image?: ImageListener,
  ): Promise<CaptureOutcome> {
    signal.throwIfAborted();
    await refuseExisting(request.imagePath);
    try {
      const outcome =
        request.trust === "found"
          ? await this.#captureFound(request, onProgress, signal)
          : await this.#captureDeclared(request, onProgress, signal, image);
      if (outcome.outcome === "refused") await removeImage(request.imagePath);
      return outcome;
    } catch (error) {
      await removeImage(request.imagePath);
      throw error;
    }
  }

  /** Checks an image: a private file nobody has open, never a vault's own. Sidecars beside it are not looked at. */
  checkImage(
    imagePath: string,
    method: "quick_check" | "integrity_check",
    signal: AbortSignal,
  ): Promise<DatabaseCheck> {
    return this.run("check", { imagePath, method }, {}, signal);
  }

  /**
   * The values of one column of an image as text, in batches; NULLs are left out.
   *
   * @throws {BackupError} `invalid-input` if there is no such table or column
   */
  async *columnValues(
    imagePath: string,
    table: string,
    column: string,
    signal: AbortSignal,
  ): AsyncGenerator<readonly string[], void, void> {
    const process = await this.#pool.take(signal);
    try {
      yield* valuesFrom(process, { imagePath, table, column }, signal);
    } finally {
      this.#pool.giveBack(process);
    }
  }

  /** Only whether the column is there. @throws {BackupError} `invalid-input` if there is no such table or column */
  async checkColumn(imagePath: string, table: string, column: string, signal: AbortSignal): Promise<void> {
    const request = { imagePath, table, column, withoutRows: true };
    await this.run("columns", request, {}, signal);
  }

  /** Runs any task of a capture process; for the modules of this layer. */
  async run<T extends TaskName>(
    kind: T,
    input: Tasks[T]["input"],
    listener: TaskListener,
    signal: AbortSignal,
  ): Promise<Tasks[T]["output"]> {
    const process = await this.#pool.take(signal);
    try {
      return await process.run(kind, input, listener, signal);
    } finally {
      this.#pool.giveBack(process);
    }
  }

  /** Ends the processes; what they were at fails. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#isLent) await this.#pool[Symbol.asyncDispose]();
  }

  async #captureDeclared(
    request: CaptureRequest,
    progress: (done: number, total: number) => void,
    signal: AbortSignal,
    image: ImageListener | undefined,
  ): Promise<CaptureOutcome> {
    const listener = {
      progress,
      steady: (bytes: number) => image?.steady(bytes),
      complete: () => image?.complete(),
    };
    return await this.run("capture", request, listener, signal);
  }

  /** A stranger's file can make a process slow or bring it down; both are refusals, for the backup goes on. */
  async #captureFound(
    request: CaptureRequest,
    onProgress: (done: number, total: number) => void,
    signal: AbortSignal,
  ): Promise<CaptureOutcome> {
    const process = await this.#pool.take(signal);
    const tooLong = AbortSignal.timeout(this.#options.foundLimitMs ?? (await foundLimitMs(request)));
    try {
      const either = AbortSignal.any([signal, tooLong]);
      return await process.run("capture", request, { progress: onProgress }, either);
    } catch (error) {
      signal.throwIfAborted();
      if (tooLong.aborted) return refusal(request, "too-slow", "it took longer than a found file may");
      if (!isProcessDeath(error)) throw error;
      return refusal(request, "not-a-database", "the process that read it died of it");
    } finally {
      this.#pool.giveBack(process);
    }
  }
}

async function refuseExisting(imagePath: string): Promise<void> {
  const there = await lstat(imagePath).catch(() => undefined);
  if (there === undefined) return;
  throw new BackupError("exists", `Cannot capture a database to ${imagePath}: there is a file already`);
}

async function foundLimitMs(request: CaptureRequest): Promise<number> {
  const size = await stat(byteStringToPath(request.path)).then(
    (found) => found.size,
    () => 0,
  );
  return foundBaseMs + Math.ceil(size / (1024 * 1024)) * foundMsPerMiB;
}

function refusal(request: CaptureRequest, reason: CaptureRefusal, message: string): CaptureOutcome {
  const subject = `Cannot capture ${byteStringToDisplay(request.path)}`;
  return { outcome: "refused", reason, message: `${subject}: ${message}` };
}
