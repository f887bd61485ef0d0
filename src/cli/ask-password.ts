/**
 * Asks for a password on the terminal without showing it. What is typed goes nowhere
 * but to the caller.
 *
 * @module
 */

import { BackupError } from "../domain/error.ts";
import type { CliIo } from "./io.ts";
import { safeText } from "./render/safe-text.ts";

/** Far more than anybody types; a file piped into a terminal ends here. */
const charactersMax = 10_000;

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
    return await readHidden(io);
  } finally {
    stdin.setRawMode?.(false);
    stdin.pause();
    stderr.write("\n");
  }
}

function readHidden({ stdin, signal }: CliIo): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const line = new HiddenLine();
  // Decoded as one stream: a character may come in two parts.
  const decoder = new TextDecoder();
  const onData = (chunk: Buffer | string): void => {
    const text = typeof chunk === "string" ? chunk : decoder.decode(chunk, { stream: true });
    const end = line.take(text);
    if (end === undefined) return;
    stop();
    // What was pasted behind it answers the next question.
    if (end.rest !== "") stdin.unshift(Buffer.from(end.rest));
    if (end.cancelled) reject(new DOMException("Cancelled", "AbortError"));
    else resolve(line.text);
  };
  const onEnd = (): void => {
    stop();
    reject(new BackupError("invalid-input", "Cannot read the password: the input has ended"));
  };
  const onAbort = (): void => {
    stop();
    reject(signal.reason);
  };
  const stop = (): void => {
    stdin.off("data", onData);
    stdin.off("end", onEnd);
    signal.removeEventListener("abort", onAbort);
    stdin.pause();
  };
  stdin.on("data", onData);
  stdin.once("end", onEnd);
  signal.addEventListener("abort", onAbort, { once: true });
  stdin.resume();
  return promise;
}

/** One line as it is typed where the terminal does not edit it. */
class HiddenLine {
  #characters: string[] = [];

  get text(): string {
    return this.#characters.join("");
  }

  /** Undefined while the line goes on. */
  take(text: string): { readonly rest: string; readonly cancelled: boolean } | undefined {
    const characters = Array.from(text);
    for (const [index, character] of characters.entries()) {
      const isPair = character === "\r" && characters[index + 1] === "\n";
      const rest = (): string => characters.slice(index + (isPair ? 2 : 1)).join("");
      if (character === "\x03") return { rest: "", cancelled: true };
      if (character === "\r" || character === "\n" || character === "\x04") {
        return { rest: rest(), cancelled: false };
      }
      this.#edit(character);
    }
    return undefined;
  }

  #edit(character: string): void {
    // Backspace as terminals send it, and Ctrl-U for the whole line.
    if (character === "\x7f" || character === "\b") this.#characters.pop();
    else if (character === "\x15") this.#characters = [];
    else if (this.#characters.length < charactersMax) this.#characters.push(character);
  }
}
