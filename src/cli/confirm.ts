/**
 * Asks before something is replaced. Where nobody can answer it refuses, so that
 * a script never replaces anything by accident.
 *
 * @module
 */

import { BackupError } from "../domain/error.ts";
import type { CommandContext } from "./command.ts";
import { readLine } from "./read-line.ts";

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
  const answer = await readLine(context.io);
  if (answer !== undefined && /^\s*y(es)?\s*$/i.test(answer)) return;
  throw new DOMException("Not confirmed", "AbortError");
}
