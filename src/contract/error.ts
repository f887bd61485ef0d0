/**
 * The document a command prints with `--json` when it fails.
 *
 * @module
 */

import { z } from "zod";
import type { ErrorKind } from "../domain/error.ts";

/** Kinds as in `domain/error.ts`, and `cancelled` for what Ctrl-C ended. */
export type ErrorDocumentKind = ErrorKind | "cancelled";

/** One failure. */
export interface ErrorBody {
  readonly kind: ErrorDocumentKind;
  readonly message: string;
  readonly hint: string;
  readonly exit_code: number;
}

/** The whole document. */
export interface ErrorDocument {
  readonly error: ErrorBody;
}

const kinds: readonly ErrorDocumentKind[] = [
  "not-found",
  "exists",
  "damaged",
  "wrong-password",
  "locked",
  "storage-unavailable",
  "no-space",
  "source-unavailable",
  "unsupported",
  "unsafe",
  "invalid-input",
  "bug",
  "cancelled",
];

/** One failure, as it also stands inside the outcome of a source. */
export const errorBodySchema: z.ZodType<ErrorBody> = z.object({
  kind: z.enum(kinds).describe("what went wrong, for programs; see errors.md"),
  message: z.string().describe("what went wrong, for people; the wording may change"),
  hint: z.string().describe("what to do next, one sentence; may be empty"),
  exit_code: z.int().describe("the code the process ends with"),
});

/** The document of every command that fails. */
export const errorSchema: z.ZodType<ErrorDocument> = z.object({ error: errorBodySchema });
