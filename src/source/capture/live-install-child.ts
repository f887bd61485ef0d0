/**
 * Writes an image into a live database through SQLite, in one transaction, so
 * that the app which has it open goes on with the restored content. Runs in a
 * capture process.
 *
 * @module
 */

import { rm } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import type { Clock } from "../../domain/clock.ts";
import { BackupError, errorText } from "../../domain/error.ts";
import { convertedImagePath, type LiveInstallRequest, type LiveInstallResult } from "./capture-messages.ts";
import {
  backup,
  isBusy,
  isDamage,
  openForConversion,
  openImage,
  openTarget,
  pragma,
  resultCode,
} from "./capture-sqlite.ts";

/** Pause between two tries. Short, because a busy writer leaves only short gaps. */
const retryMs = 2;
const everythingAtOnce = 1_000_000_000;

/**
 * Installs. All or nothing: if it ends half-way, SQLite rolls the target back.
 *
 * @throws {BackupError} `locked` if readers or writers of the target do not give way in time, `unsupported` if the target is no sound database
 */
export async function installIntoLive(request: LiveInstallRequest, clock: Clock): Promise<LiveInstallResult> {
  const convertedPath = convertedImagePath(request.imagePath);
  const deadline = clock.elapsed() + request.busyTimeoutMs;
  try {
    const imagePath = await imageWithPageSize(request.imagePath, convertedPath, targetPageSize(request));
    refuseOtherEncoding(request, imagePath);
    await writeTarget(request, imagePath, deadline, clock);
    return putModeBack(request);
  } catch (error) {
    throw explained(error, request);
  }
}

function targetPageSize(request: LiveInstallRequest): number {
  using target = openTarget(request.targetPath, request.busyTimeoutMs);
  return Number(pragma(target, "page_size"));
}

/** SQLite cannot change the page size of a WAL database in use, so the image takes on the target's. */
async function imageWithPageSize(
  imagePath: string,
  convertedPath: string,
  pageSize: number,
): Promise<string> {
  const image = openForConversion(imagePath);
  try {
    if (Number(pragma(image, "page_size")) === pageSize) return imagePath;
    await rm(convertedPath, { force: true });
    image.exec(`PRAGMA page_size=${pageSize}`);
    image.prepare("VACUUM INTO ?").run(convertedPath);
    return convertedPath;
  } finally {
    image.close();
  }
}

/** Connections keep the text encoding they began with: the app would fail, or read garbage. */
function refuseOtherEncoding({ targetPath, busyTimeoutMs }: LiveInstallRequest, imagePath: string): void {
  using image = openImage(imagePath);
  using target = openTarget(targetPath, busyTimeoutMs);
  // One without any table has no encoding yet.
  if (pragma(target, "schema_version") === "0") return;
  const [wanted, there] = [pragma(image, "encoding"), pragma(target, "encoding")];
  if (wanted === there) return;
  throw new BackupError(
    "unsupported",
    `Cannot write ${targetPath} through SQLite: its text is ${there}, that of the backup ${wanted}`,
    { hint: "Stop the app and restore without --live." },
  );
}

/**
 * One step is one transaction. SQLite's own waiting does not cover the backup
 * interface, which gives up at once where somebody is in the way: then everything is tried again.
 */
async function writeTarget(
  request: LiveInstallRequest,
  imagePath: string,
  deadline: number,
  clock: Clock,
): Promise<void> {
  const image = openImage(imagePath);
  try {
    for (;;) {
      try {
        await backup(image, request.targetPath, { rate: everythingAtOnce });
        return;
      } catch (error) {
        if (!isInTheWay(error) || clock.elapsed() > deadline) throw error;
        await sleep(retryMs);
      }
    }
  } finally {
    image.close();
  }
}

/** node:sqlite reports a busy target with the code 0, "not an error". */
function isInTheWay(error: unknown): boolean {
  return isBusy(error) || resultCode(error) === 0;
}

/** The target keeps its mode through the copy. It goes over to the image's only if nobody else has it open. */
function putModeBack(request: LiveInstallRequest): LiveInstallResult {
  using target = openTarget(request.targetPath, request.busyTimeoutMs);
  const mode = pragma(target, "journal_mode");
  const wanted = request.journalMode;
  // Rollback modes belong to connections; only WAL against the others is a matter of the file.
  const differs = (mode === "wal") !== (wanted === "wal") && wanted !== "unknown";
  if (!differs) return { journalMode: mode, warnings: [] };
  try {
    const now = pragma(target, wanted === "wal" ? "journal_mode=wal" : "journal_mode=delete");
    return { journalMode: now, warnings: [] };
  } catch (error) {
    if (!isBusy(error)) throw error;
    const warning = `The database stays in journal mode ${mode} while the app has it open; it was in ${wanted} when it was backed up.`;
    return { journalMode: mode, warnings: [warning] };
  }
}

function explained(error: unknown, request: LiveInstallRequest): unknown {
  const verb = `Cannot write ${request.targetPath} through SQLite`;
  if (isInTheWay(error)) {
    return new BackupError("locked", `${verb}: its readers and writers did not give way in time`, {
      cause: error,
      retryable: true,
      hint: "Try again, wait longer, or stop the app and restore without --live.",
    });
  }
  if (isDamage(error)) {
    return new BackupError("unsupported", `${verb}: it is not a sound database (${errorText(error)})`, {
      cause: error,
      hint: "Stop the app and restore without --live.",
    });
  }
  if (resultCode(error) === undefined) return error;
  return new BackupError("source-unavailable", `${verb}: ${errorText(error)}`, { cause: error });
}
