/**
 * Asks before something is replaced. Where nobody can answer it refuses, so that
 * a script never replaces anything by accident.
 *
 * @module
 */

import { createInterface } from "node:readline/promises";
import { BackupError } from "../domain/error.ts";
import type { CommandContext } from "./command.ts";

const plainHint = "Add --yes to go on without being asked, or --dry-run to see what would change.";

/** @throws {BackupError} `invalid-input` where standard input is no terminal */
export function refuseWithoutAnswer(context: CommandContext, hint: string = plainHint): void {
  if (context.io.stdin.isTTY === true) return;
  throw new BackupError("invalid-input", "Cannot ask for confirmation: standard input is not a terminal", {
    hint,
  });
}

/**
 * Shows what is going to happen and waits for `y` or `yes`. Question and text go to the
 * error stream, so that `--json` output stays one document.
 *
 * @throws an AbortError for every other answer, as for Ctrl-C
 */
export async function confirmOrRefuse(
  context: CommandContext,
  text: readonly string[],
  question: string,
): Promise<void> {
  context.io.stderr.write(`${text.join("\n")}\n\n${question} [y/N] `);
  const answer = await readLine(context);
  if (/^\s*y(es)?\s*$/i.test(answer)) return;
  throw new DOMException("Not confirmed", "AbortError");
}

async function readLine(context: CommandContext): Promise<string> {
  // Not in terminal mode: that would take Ctrl-C away from the signal handlers.
  const lines = createInterface({ input: context.io.stdin, terminal: false });
  const ended = new AbortController();
  lines.once("close", () => ended.abort());
  try {
    return await lines.question("", { signal: AbortSignal.any([context.signal, ended.signal]) });
  } finally {
    lines.close();
  }
}
