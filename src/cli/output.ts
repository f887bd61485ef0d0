/**
 * Where commands write: text for people or, with `--json`, exactly one JSON
 * document on standard output whatever happens, errors included.
 *
 * @module
 */

import type { OutputStream } from "./io.ts";
import type { Palette } from "./render/palette.ts";
import { safeJson } from "./render/safe-text.ts";

export interface OutputOptions {
  readonly stdout: OutputStream;
  readonly palette: Palette;
  readonly json: boolean;
  readonly quiet: boolean;
}

/** How a long answer is printed. */
export interface AnswerForm<T> {
  readonly lines: (item: T) => readonly string[];
  readonly document: (item: T) => unknown;
  readonly whole: (documents: readonly unknown[]) => unknown;
  /** Lines after all items. */
  readonly summary: () => readonly string[];
  /** Takes away what is drawn where lines are to be printed. */
  readonly beforePrinting: () => void;
}

/** Few enough to come at once, many enough that writing them costs little. */
const linesAtOnce = 200;

/** Standard output of one command. */
export class Output {
  readonly #options: OutputOptions;

  constructor(options: OutputOptions) {
    this.#options = options;
  }

  get palette(): Palette {
    return this.#options.palette;
  }

  get json(): boolean {
    return this.#options.json;
  }

  get quiet(): boolean {
    return this.#options.quiet;
  }

  /** Columns of the terminal; undefined where the output is not a terminal and nothing is cut. */
  get width(): number | undefined {
    return this.#options.stdout.isTTY === true ? this.#options.stdout.columns : undefined;
  }

  /** What the user asked to see: printed also with `-q`. */
  answer(document: () => unknown, text: () => readonly string[]): void {
    if (this.#options.json) this.#options.stdout.write(`${safeJson(document())}\n`);
    else this.lines(text());
  }

  /**
   * What the user asked to see, of which there may be much: text is printed as it comes, in pieces;
   * a document when all of it is known, so that a failure still leaves exactly one.
   */
  async answerEach<T>(items: AsyncIterable<T>, form: AnswerForm<T>): Promise<void> {
    const documents: unknown[] = [];
    let lines: string[] = [];
    const print = (): void => {
      if (lines.length === 0) return;
      form.beforePrinting();
      this.lines(lines);
      lines = [];
    };
    for await (const item of items) {
      if (this.#options.json) documents.push(form.document(item));
      else lines.push(...form.lines(item));
      if (lines.length >= linesAtOnce) print();
    }
    print();
    form.beforePrinting();
    this.answer(() => form.whole(documents), form.summary);
  }

  /** What a command says it did: not printed with `-q`. */
  report(document: () => unknown, text: () => readonly string[]): void {
    if (this.#options.json || !this.#options.quiet) this.answer(document, text);
  }

  /** Text on standard output; nothing with `--json`, where the one document must stay alone. */
  lines(lines: readonly string[]): void {
    if (!this.#options.json && lines.length > 0) this.#options.stdout.write(`${lines.join("\n")}\n`);
  }
}
