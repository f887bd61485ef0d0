/**
 * The one error class of the program and the closed list of kinds callers may
 * branch on. Kinds map to exit codes in `cli/exit-codes.ts`.
 *
 * @module
 */

/**
 * What went wrong, for code. Never branch on message text.
 *
 * - `not-found`: no such vault, backup, or path inside a backup
 * - `exists`: the name is taken and is never overwritten
 * - `damaged`: stored bytes are not what was written, or the disk cannot read them while it reads others
 * - `wrong-password`: no key of the vault opens with it
 * - `locked`: another run holds the vault or the target
 * - `storage-unavailable`: the place where backups are kept cannot be reached or written
 * - `no-space`: the disk is full
 * - `source-unavailable`: what is to be protected cannot be read
 * - `unsupported`: understood but refused, for example a vault from a newer version
 * - `unsafe`: refused because it could harm: a hostile archive, a database in use
 * - `invalid-input`: an option, a path or a configuration makes no sense
 * - `bug`: ours
 */
export type ErrorKind =
  | "not-found"
  | "exists"
  | "damaged"
  | "wrong-password"
  | "locked"
  | "storage-unavailable"
  | "no-space"
  | "source-unavailable"
  | "unsupported"
  | "unsafe"
  | "invalid-input"
  | "bug";

export interface BackupErrorOptions {
  readonly cause?: unknown;
  /** May the very same call succeed later? Default false. */
  readonly retryable?: boolean;
  /** Facts for logs and JSON. Never secrets. */
  readonly details?: Readonly<Record<string, string | number>>;
  /** What to do next, as one full sentence. */
  readonly hint?: string;
}

/**
 * Raised for every failure a caller is expected to tell apart.
 *
 * The message reads "Cannot <verb> <object>: <current state>", without a full
 * stop. Cancellation is not one of these: `AbortError` passes through untouched.
 */
export class BackupError extends Error {
  override readonly name = "BackupError";
  readonly kind: ErrorKind;
  readonly retryable: boolean;
  readonly details: Readonly<Record<string, string | number>>;
  readonly hint: string | undefined;

  constructor(kind: ErrorKind, message: string, options: BackupErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.kind = kind;
    this.retryable = options.retryable ?? false;
    this.details = options.details ?? {};
    this.hint = options.hint;
  }
}

/** Tells whether `error` is a {@link BackupError} of one of these kinds. */
export function isBackupError(error: unknown, ...kinds: readonly ErrorKind[]): error is BackupError {
  return error instanceof BackupError && (kinds.length === 0 || kinds.includes(error.kind));
}

/** Tells whether `error` is the cancellation of an `AbortSignal`, which is never wrapped or retried. */
export function isAbort(error: unknown): boolean {
  return error instanceof Error && error.name === "AbortError";
}

/** SQLite quotes the token it stumbled over: a planted schema makes that 40 MB of a message. */
const errorTextMax = 1000;

/** The text of anything that was thrown, for a message or a log line: the beginning, where it is long. */
export function errorText(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  return text.length > errorTextMax ? `${text.slice(0, errorTextMax)}...` : text;
}

/**
 * The text of anything that was thrown, to be put behind a path. Of a system error that is its
 * code and what it means, without the call and the path that its own text ends in.
 */
export function reasonText(error: unknown): string {
  const text = errorText(error);
  const { syscall } = (error ?? {}) as { readonly syscall?: unknown };
  const end = typeof syscall === "string" ? text.indexOf(`, ${syscall}`) : -1;
  return end < 0 ? text : text.slice(0, end);
}
