/**
 * Asks for a password on the terminal without showing it. What is typed goes nowhere
 * but to the caller.
 *
 * @module
 */

import { BackupError } from "../domain/error.ts";
import type { CliIo } from "./io.ts";
import { readLine } from "./read-line.ts";
import { safeText } from "./render/safe-text.ts";

/**
 * The password of the vault, asked for twice where it is for a new one.
 *
 * @throws {BackupError} `invalid-input` where the two differ, or the input ends
 */
export async function askForVault(
  io: CliIo,
  vault: string,
  purpose: "open" | "again" | "new",
): Promise<string> {
  const place = safeText(vault);
  if (purpose === "new") return await askNewPassword(io, `Password for the new repository ${place}: `);
  if (purpose === "again") io.stderr.write("Wrong password.\n");
  return await askPassword(io, `Password of ${place}: `);
}

/**
 * A password that is to be set, asked for twice.
 *
 * @throws {BackupError} `invalid-input` where the two differ, or nobody can answer
 */
export async function askNewPassword(io: CliIo, question: string): Promise<string> {
  if (io.stdin.isTTY !== true) {
    throw new BackupError(
      "invalid-input",
      "Cannot ask for the new password: standard input is not a terminal",
      {
        hint: "Name the file it is in, see --help.",
      },
    );
  }
  const password = await askPassword(io, question);
  if ((await askPassword(io, "The same again: ")) === password) return password;
  throw new BackupError("invalid-input", "Cannot set the password: the two differ", {
    hint: "Nothing was changed; try again.",
  });
}

/** Ctrl-C rejects as a cancellation, as everywhere. */
async function askPassword(io: CliIo, question: string): Promise<string> {
  io.signal.throwIfAborted();
  const { stdin, stderr } = io;
  stderr.write(question);
  stdin.setRawMode?.(true);
  try {
    const password = await readLine(io);
    if (password !== undefined) return password;
    throw new BackupError("invalid-input", "Cannot read the password: the input has ended");
  } finally {
    stdin.setRawMode?.(false);
    stderr.write("\n");
  }
}
