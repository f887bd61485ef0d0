/**
 * Restores a database under a running app: the image is written into the live
 * database through SQLite, in one transaction, so that the app goes on with its
 * connections and sees the restored content without a restart.
 *
 * @module
 */

import { rm } from "node:fs/promises";
import { convertedImagePath, type LiveInstallRequest, type LiveInstallResult } from "./capture-messages.ts";
import type { DatabaseCapturer } from "./database-capturer.ts";

/**
 * Writes a verified image into a live database. All or nothing: cut short at any
 * moment, SQLite rolls the target back. Page sizes that differ are converted on a copy beside the image first.
 *
 * @throws {BackupError} `locked` if readers or writers of the target do not give way within `busyTimeoutMs`, `unsupported` if the target is no sound database
 */
export async function installLive(
  capturer: DatabaseCapturer,
  request: LiveInstallRequest,
  signal: AbortSignal,
): Promise<LiveInstallResult> {
  try {
    return await capturer.run("install", request, {}, signal);
  } finally {
    // A killed process could not do it itself.
    await rm(convertedImagePath(request.imagePath), { force: true });
  }
}
