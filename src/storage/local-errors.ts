/**
 * What the operating system's error codes mean for a local storage. The only
 * place that branches on them for kinds.
 *
 * @module
 */

import { BackupError, type BackupErrorOptions, type ErrorKind, errorText, isAbort } from "../domain/error.ts";

interface Meaning {
  readonly kind: ErrorKind;
  readonly state: string;
  readonly hint?: string;
  readonly retryable?: boolean;
}

const full: Meaning = {
  kind: "no-space",
  state: "the disk is full",
  hint: "Free some space, or remove old backups with rotate, and try again.",
};
const forbidden: Meaning = {
  kind: "storage-unavailable",
  state: "permission is missing",
  hint: "Run as the user who owns the vault folder, or give this user access to it.",
};
const unreachable: Meaning = {
  kind: "storage-unavailable",
  state: "the disk or the network share behind it does not answer properly",
  hint: "Check that the disk is connected and healthy, and look at the system log.",
  retryable: true,
};
const tooManyFiles: Meaning = {
  kind: "storage-unavailable",
  state: "too many files are open",
  hint: "Raise the limit of open files (ulimit -n) and try again.",
  retryable: true,
};

const meanings: Readonly<Record<string, Meaning>> = {
  ENOSPC: full,
  EDQUOT: { ...full, state: "the disk quota of this user is used up" },
  EFBIG: {
    kind: "storage-unavailable",
    state: "the file system does not allow files this large",
    hint: "Put the vault on a file system for large files, such as ext4, XFS or exFAT.",
  },
  EACCES: forbidden,
  EPERM: forbidden,
  EROFS: {
    kind: "storage-unavailable",
    state: "the file system is mounted read-only",
    hint: "Mount it writable; after disk errors the kernel makes a file system read-only by itself.",
  },
  EIO: unreachable,
  ESTALE: unreachable,
  ENOTCONN: unreachable,
  ETIMEDOUT: unreachable,
  EHOSTDOWN: unreachable,
  ENODEV: unreachable,
  ENXIO: unreachable,
  EMFILE: tooManyFiles,
  ENFILE: tooManyFiles,
  ENOENT: {
    kind: "storage-unavailable",
    state: "its folder is not there any more",
    hint: "Check that the disk that holds the vault is still mounted.",
  },
  ENAMETOOLONG: { kind: "invalid-input", state: "the path is too long for the file system" },
};

/** The code of a system error, or undefined for any other. */
export function systemCode(error: unknown): string | undefined {
  const code = error instanceof Error ? (error as NodeJS.ErrnoException).code : undefined;
  return typeof code === "string" && /^E[A-Z0-9]+$/.test(code) ? code : undefined;
}

/**
 * Turns a system error into a {@link BackupError}. Cancellations, errors of ours
 * and errors that are not the system's (a failing stream's) come back as they are.
 *
 * @param action what was tried, as "store full/x.json"
 */
export function localError(error: unknown, action: string): unknown {
  const code = systemCode(error);
  if (code === undefined || error instanceof BackupError || isAbort(error)) return error;
  const meaning = meanings[code];
  const options: BackupErrorOptions = {
    cause: error,
    details: { code },
    ...(meaning?.retryable === undefined ? {} : { retryable: meaning.retryable }),
    ...(meaning?.hint === undefined ? {} : { hint: meaning.hint }),
  };
  const state = meaning?.state ?? errorText(error);
  return new BackupError(meaning?.kind ?? "storage-unavailable", `Cannot ${action}: ${state}`, options);
}
