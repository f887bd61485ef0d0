/**
 * Asks SQLite whether a database image is sound. Runs in a capture process, on
 * a private file.
 *
 * @module
 */

import type { DatabaseCheck } from "../../domain/backup.ts";
import { errorText } from "../../domain/error.ts";
import { openImage, resultCode } from "./capture-sqlite.ts";

/** A thorough check looks each row up in the indexes; the default of 2 MB makes it read their pages again and again. */
const thoroughCacheKiB = 8 * 1024;
/** More than the first few lines help nobody; SQLite stops looking when it has them. */
const messageLimit = 10;

/** Checks. What SQLite cannot even read is a finding as well. @throws what is not SQLite's own error */
export function checkImageFile(imagePath: string, method: "quick_check" | "integrity_check"): DatabaseCheck {
  try {
    const database = openImage(imagePath, method === "integrity_check" ? thoroughCacheKiB : undefined);
    try {
      const rows = database.prepare(`PRAGMA ${method}(${messageLimit})`).all();
      const messages = rows.map((row) => errorText(Object.values(row)[0]));
      const ok = messages.length === 1 && messages[0] === "ok";
      return { method, ok, messages: ok ? [] : messages };
    } finally {
      database.close();
    }
  } catch (error) {
    if (resultCode(error) === undefined) throw error;
    return { method, ok: false, messages: [errorText(error)] };
  }
}
