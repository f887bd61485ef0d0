/**
 * Reads one line that somebody types, and leaves what comes behind it for the next
 * question.
 *
 * @module
 */

import type { CliIo } from "./io.ts";

/** Far more than anybody types; a file piped into a terminal ends here. */
const charactersMax = 10_000;

/**
 * The line without its end; undefined where the input ends before one does. It is edited
 * here too, for terminals in raw mode.
 *
 * @throws an AbortError for Ctrl-C in raw mode, and when the run is cancelled
 */
export async function readLine({
  stdin,
  signal,
}: Pick<CliIo, "stdin" | "signal">): Promise<string | undefined> {
  signal.throwIfAborted();
  // The end comes once, and is not told again.
  if (!stdin.readable) return undefined;
  const { promise, resolve, reject } = Promise.withResolvers<string | undefined>();
  const line = new TypedLine();
  // Decoded as one stream: a character may come in two parts.
  const decoder = new TextDecoder();
  const onData = (chunk: Buffer | string): void => {
    const rest = line.take(typeof chunk === "string" ? chunk : decoder.decode(chunk, { stream: true }));
    if (line.isCancelled) reject(new DOMException("Cancelled", "AbortError"));
    if (rest === undefined) return;
    // Before what was pasted behind the line comes again.
    stop();
    if (rest !== "") stdin.unshift(Buffer.from(rest));
    resolve(line.text);
  };
  const onEnd = (): void => resolve(undefined);
  const onAbort = (): void => reject(signal.reason);
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
  try {
    return await promise;
  } finally {
    stop();
  }
}

class TypedLine {
  isCancelled: boolean = false;
  #characters: string[] = [];

  get text(): string {
    return this.#characters.join("");
  }

  /** What follows the line; undefined while it goes on. */
  take(text: string): string | undefined {
    const characters = Array.from(text);
    for (const [index, character] of characters.entries()) {
      if (character === "\r" || character === "\n" || character === "\x04") {
        const isPair = character === "\r" && characters[index + 1] === "\n";
        return characters.slice(index + (isPair ? 2 : 1)).join("");
      }
      this.#edit(character);
    }
    return undefined;
  }

  #edit(character: string): void {
    if (character === "\x03") this.isCancelled = true;
    // Backspace as terminals send it, and Ctrl-U for the whole line.
    else if (character === "\x7f" || character === "\b") this.#characters.pop();
    else if (character === "\x15") this.#characters = [];
    else if (this.#characters.length < charactersMax) this.#characters.push(character);
  }
}
