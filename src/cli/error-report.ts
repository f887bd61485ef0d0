/**
 * Turns whatever a command threw into what is shown: one line, one hint, one
 * exit code, or the `error` document of `--json`.
 *
 * @module
 */

import type { ErrorBody, ErrorDocumentKind } from "../contract/error.ts";
import { errorText, isAbort, isBackupError } from "../domain/error.ts";
import { type ExitCode, exitCodeCancelled, exitCodeOfKind } from "./exit-codes.ts";
import type { Palette } from "./render/palette.ts";
import { safeText } from "./render/safe-text.ts";

/** A failure ready to be shown. */
export interface ErrorReport {
  readonly kind: ErrorDocumentKind;
  readonly message: string;
  readonly hint: string;
  readonly exitCode: ExitCode;
}

const bugHint = "This is a defect of the program; run it again with -v to see where, and report it.";

const incompleteHint =
  "In a checkout run npm ci, which installs the libraries and compiles the kernels; elsewhere install the package again.";

/** What to show for `error`. Anything that is neither a BackupError nor a cancellation is a defect of ours. */
export function reportError(error: unknown): ErrorReport {
  if (isAbort(error)) {
    return {
      kind: "cancelled",
      message: "Cancelled",
      hint: "What was there before is unchanged.",
      exitCode: exitCodeCancelled,
    };
  }
  if (isBackupError(error)) {
    return {
      kind: error.kind,
      message: error.message,
      hint: error.hint ?? (error.kind === "bug" ? bugHint : ""),
      exitCode: exitCodeOfKind[error.kind],
    };
  }
  if ((error as NodeJS.ErrnoException | undefined)?.code === "ERR_MODULE_NOT_FOUND") {
    const message = `Cannot run: a part of the program is missing: ${errorText(error)}`;
    return { kind: "bug", message, hint: incompleteHint, exitCode: exitCodeOfKind.bug };
  }
  return { kind: "bug", message: errorText(error), hint: bugHint, exitCode: exitCodeOfKind.bug };
}

/** A failure as it stands in a document. */
export function errorBody({ kind, message, hint, exitCode }: ErrorReport): ErrorBody {
  return { kind, message, hint, exit_code: exitCode };
}

/** The lines for people: the error in red on one line, and what to do about it. */
export function errorLines(report: ErrorReport, palette: Palette): string[] {
  const prefix = report.kind === "cancelled" ? "" : "error: ";
  const lines = [palette.red(`${prefix}${safeText(report.message)}`)];
  if (report.hint !== "") lines.push(`  ${safeText(report.hint)}`);
  return lines;
}
