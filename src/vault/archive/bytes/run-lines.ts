/**
 * The entry lines of a run, where they stand in the texts of a contents file. Of a
 * large folder that did not change they are compared there, and never taken out.
 *
 * @module
 */

import { type EntryFacts, isUnchangedLine } from "../../../format/archive/contents-line.ts";

/** Lines in order; a run seldom reaches over more than one text. */
export class RunLines {
  /** Each text with the index of its first line. */
  readonly #texts: { readonly text: Buffer; readonly first: number }[] = [];
  readonly #starts: number[] = [];
  readonly #ends: number[] = [];

  get length(): number {
    return this.#starts.length;
  }

  /** Appends the bytes `from` up to `to`, without a line end. */
  push(text: Buffer, from: number, to: number): void {
    if (this.#texts.at(-1)?.text !== text) this.#texts.push({ text, first: this.length });
    this.#starts.push(from);
    this.#ends.push(to);
  }

  /** One line, taken out; empty where there is none. */
  at(index: number): string {
    return this.#textOf(index)?.toString("latin1", this.#starts[index], this.#ends[index]) ?? "";
  }

  /** All of them, taken out. */
  all(): string[] {
    return this.#starts.map((_, index) => this.at(index));
  }

  /** As `isUnchangedLine` of the line at `index`. */
  isUnchanged(index: number, entry: EntryFacts): boolean {
    const text = this.#textOf(index);
    return text !== undefined && isUnchangedLine(text, entry, this.#starts[index], this.#ends[index]);
  }

  #textOf(index: number): Buffer | undefined {
    let at = this.#texts.length - 1;
    while (at > 0 && (this.#texts[at]?.first ?? 0) > index) at--;
    return index < this.length ? this.#texts[at]?.text : undefined;
  }
}
