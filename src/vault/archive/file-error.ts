/**
 * What the system says about files outside the vault, in our words.
 *
 * @module
 */

import { BackupError, type ErrorKind, errorText } from "../../domain/error.ts";

const kinds: Readonly<Record<string, ErrorKind>> = {
  ENOENT: "not-found",
  ENOSPC: "no-space",
  EDQUOT: "no-space",
};

/** The error to throw for a failed call on `path`. Errors that are ours, or cancellation, come back as they are. */
export function fileError(verb: string, path: string, error: unknown): unknown {
  if (error instanceof BackupError || !(error instanceof Error) || !("syscall" in error)) return error;
  const code = "code" in error ? String(error.code) : "";
  const kind = kinds[code] ?? "storage-unavailable";
  return new BackupError(kind, `Cannot ${verb} ${path}: ${errorText(error)}`, { cause: error });
}
