import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { errorBodySchema } from "../contract/error.ts";
import type { ErrorKind } from "../domain/error.ts";
import { BackupError } from "../domain/error.ts";
import { errorBody, errorLines, reportError } from "./error-report.ts";
import { exitCodeCancelled, exitCodeIncomplete, exitCodeOfKind, exitCodeOfState } from "./exit-codes.ts";
import { createPalette } from "./render/palette.ts";

const documented = readFileSync(new URL("../../docs/errors.md", import.meta.url), "utf8");

/** Rows `kind -> code` of the second table. */
function documentedKinds(text: string): Map<string, number> {
  const rows = text.matchAll(/^\| `([a-z-]+)` \| (\d+) \| .+ \|$/gm);
  return new Map(Array.from(rows, (row) => [row[1]!, Number(row[2])] as const));
}

test("docs/errors.md lists every kind of error with the exit code it has, and no other", () => {
  const wanted = new Map<string, number>([
    ...Object.entries(exitCodeOfKind),
    ["cancelled", exitCodeCancelled] as const,
  ]);
  assert.deepEqual(documentedKinds(documented), wanted);
  assert.equal(documentedKinds(documented.replace("| `locked` | 11 |", "| `locked` | 1 |")).get("locked"), 1);
});

test("docs/errors.md explains every exit code", () => {
  const explained = new Set(Array.from(documented.matchAll(/^\| (\d+) \| /gm), (row) => Number(row[1])));
  const used = [0, exitCodeIncomplete, exitCodeCancelled, ...Object.values(exitCodeOfKind)];
  assert.deepEqual(explained, new Set(used.sort((a, b) => a - b)));
});

test("exit codes are those scripts know from restic: 10 not found, 11 locked, 12 wrong password, 130 cancelled", () => {
  const { locked, damaged } = exitCodeOfKind;
  assert.deepEqual(
    [exitCodeOfKind["not-found"], locked, exitCodeOfKind["wrong-password"], damaged, exitCodeCancelled],
    [10, 11, 12, 13, 130],
  );
  assert.equal(exitCodeOfState("good"), 0);
  for (const state of ["incomplete", "suspect", "damaged"] as const) assert.equal(exitCodeOfState(state), 3);
});

test("every kind of error, and a cancellation, fits the JSON contract", () => {
  for (const kind of Object.keys(exitCodeOfKind) as ErrorKind[]) {
    errorBodySchema.parse(errorBody(reportError(new BackupError(kind, "Cannot x y: z"))));
  }
  errorBodySchema.parse(errorBody(reportError(new DOMException("stop", "AbortError"))));
});

test("an error is one line and one hint, with nothing in them that a terminal would act on", () => {
  const error = new BackupError("not-found", "Cannot open \x1b[2J\nx: gone", { hint: "Look\relsewhere." });
  assert.deepEqual(errorLines(reportError(error), createPalette(false)), [
    "error: Cannot open \\x1b[2J\\x0ax: gone",
    "  Look\\x0delsewhere.",
  ]);
});

test("an error nobody expected is called a defect and never ends with 0", () => {
  const report = reportError(new TypeError("x is not a function"));
  assert.equal(report.kind, "bug");
  assert.equal(report.exitCode, 1);
  assert.match(report.hint, /defect/);
});
