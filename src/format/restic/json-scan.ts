/**
 * Reads JSON piece by piece, in the order it stands in. Unlike `JSON.parse` it keeps
 * unsigned 64-bit numbers exact, hands out values nobody knows as the text they are, and
 * builds nothing that the caller does not ask for. What it reads comes from a repository
 * that anybody may have written to: all that is wrong ends in `damaged`.
 *
 * @module
 */

import type { ByteString } from "../../domain/byte-string.ts";
import { asByteString, byteStringFromText, byteStringToUtf8 } from "../../domain/byte-string.ts";
import { BackupError } from "../../domain/error.ts";
import { backslash, colon, exactDigits, quote, uint64Max } from "./json-bytes.ts";
import type { ObjectId } from "./model.ts";
import { parseTime } from "./times.ts";

/** Values nobody knows may be nested as deep as this, more than any document needs. */
const depthMax = 64;

/**
 * No longer document is read: text in JavaScript ends a little later. A directory of a
 * million entries needs 400 MB.
 */
const documentBytesMax = 500 * 1024 * 1024;

const comma = 44;
const openList = 91;
const closeList = 93;
const open = 123;
const close = 125;

const isHexDigit: Uint8Array = new Uint8Array(256);
for (const digit of "0123456789abcdef") isHexDigit[digit.charCodeAt(0)] = 1;

/**
 * Stands at one place of a document and moves on with each value taken. Strings are
 * copies, so none keeps the document in memory.
 */
export class JsonScanner {
  readonly #bytes: Buffer;
  /** The same bytes, one a character. */
  readonly #text: string;
  readonly #what: string;
  #at = 0;
  #lastTime = { text: "", ns: 0n };

  /** @param what names the document in messages: "a tree" */
  constructor(bytes: Uint8Array, what: string) {
    this.#bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#what = what;
    if (bytes.length > documentBytesMax) {
      throw new BackupError("unsupported", `Cannot read ${what}: it has ${bytes.length} bytes`);
    }
    this.#text = this.#bytes.toString("latin1");
  }

  /** The error to throw for what is wrong here. */
  damaged(state: string, cause?: unknown): BackupError {
    return new BackupError("damaged", `Cannot read ${this.#what}: ${state} at byte ${this.#at}`, { cause });
  }

  /** Begins an object; the name of its first field, or undefined where it has none. */
  firstKey(): ByteString | undefined {
    this.#take(open);
    return this.#isNext(close) ? undefined : this.#key();
  }

  /** The name of the next field after a value was taken, or undefined at the end of the object. */
  nextKey(): ByteString | undefined {
    if (this.#isNext(close)) return undefined;
    this.#take(comma);
    return this.#key();
  }

  /** Begins a list; tells whether it has an item. */
  firstItem(): boolean {
    this.#take(openList);
    return !this.#isNext(closeList);
  }

  /** Tells, after an item was taken, whether there is another. */
  nextItem(): boolean {
    if (this.#isNext(closeList)) return false;
    this.#take(comma);
    return true;
  }

  /** Takes a `null` if one is next. */
  takeNull(): boolean {
    return this.#takeWord("null");
  }

  takeBoolean(): boolean {
    if (this.#takeWord("true")) return true;
    if (this.#takeWord("false")) return false;
    throw this.damaged("neither true nor false");
  }

  /** The bytes of a string, its escapes undone. */
  takeString(): ByteString {
    this.#take(quote);
    const start = this.#at;
    for (let i = start; ; i++) {
      const code = this.#text.charCodeAt(i);
      if (code === quote) {
        this.#at = i + 1;
        return asByteString(this.#slice(start, i));
      }
      if (code === backslash) return this.#takeEscaped(start);
      // Also at the end of the text, where the code is NaN.
      if (!(code >= 32)) throw this.damaged("a string without end");
    }
  }

  /** A string as text; bytes that are not UTF-8 become U+FFFD, as in Go. */
  takeText(): string {
    const bytes = this.takeString();
    return byteStringToUtf8(bytes) ?? Buffer.from(bytes, "latin1").toString("utf8");
  }

  /** A time, as nanoseconds since 1970. */
  takeTime(): bigint {
    const text = this.takeString();
    // Two of a node's three times are mostly equal, and nodes of a directory share many.
    if (text !== this.#lastTime.text) this.#lastTime = { text, ns: parseTime(text) };
    return this.#lastTime.ns;
  }

  takeObjectId(): ObjectId {
    this.#take(quote);
    const start = this.#at;
    for (let i = start; i < start + 64; i++) {
      if (isHexDigit[this.#text.charCodeAt(i)] !== 1) throw this.damaged("no object id");
    }
    this.#at = start + 64;
    this.#take(quote);
    return this.#bytes.toString("latin1", start, start + 64);
  }

  /** A whole number from 0 to `max`, which is a safe integer. */
  takeWhole(max: number): number {
    const start = this.#skipSpace();
    const end = this.#endOfDigits(start);
    let value = 0;
    for (let i = start; i < end; i++) value = value * 10 + (this.#text.charCodeAt(i) - 48);
    if (value > max) throw this.damaged("a number that is too large");
    this.#at = end;
    return value;
  }

  /** An unsigned 64-bit number. */
  takeUint64(): bigint {
    const start = this.#skipSpace();
    const end = this.#endOfDigits(start);
    if (end - start <= exactDigits) return BigInt(this.takeWhole(Number.MAX_SAFE_INTEGER));
    const value = end - start > 20 ? undefined : BigInt(this.#slice(start, end));
    if (value === undefined || value > uint64Max) throw this.damaged("a number that is too large");
    this.#at = end;
    return value;
  }

  /** Any value, as the JSON text it is. */
  takeRaw(): string {
    const start = this.#skipSpace();
    this.#at = this.#endOfValue(start);
    const text = this.#bytes.toString("utf8", start, this.#at);
    try {
      JSON.parse(text);
    } catch (cause) {
      throw this.damaged("what should be a JSON value is none", cause);
    }
    return text;
  }

  /** Checks that nothing but white space follows. */
  finish(): void {
    if (this.#skipSpace() < this.#text.length) throw this.damaged("something after the end");
  }

  #key(): ByteString {
    const key = this.takeString();
    this.#take(colon);
    return key;
  }

  #takeEscaped(start: number): ByteString {
    const end = this.#endOfString(start);
    this.#at = end + 1;
    try {
      const text: string = JSON.parse(this.#bytes.toString("utf8", start - 1, end + 1));
      return byteStringFromText(text);
    } catch (cause) {
      throw this.damaged("what should be a JSON string is none", cause);
    }
  }

  /** Where the quote is that ends the string whose first character is at `start`. */
  #endOfString(start: number): number {
    for (let i = start; i < this.#text.length; i++) {
      const code = this.#text.charCodeAt(i);
      if (code === quote) return i;
      if (code === backslash) i++;
    }
    throw this.damaged("a string without end");
  }

  /** Where a value ends, going by its brackets and quotes only. */
  #endOfValue(start: number): number {
    let depth = 0;
    for (let i = start; i < this.#text.length; i++) {
      const code = this.#text.charCodeAt(i);
      if (code === quote) i = this.#endOfString(i + 1);
      else if (code === open || code === openList) depth++;
      else if (depth === 0 && (code === comma || code === close || code === closeList)) return i;
      else if (code === close || code === closeList) depth--;
      if (depth > depthMax) throw this.damaged("values nested too deeply");
    }
    return this.#text.length;
  }

  #endOfDigits(start: number): number {
    let end = start;
    let code = this.#text.charCodeAt(end);
    while (code >= 48 && code <= 57) code = this.#text.charCodeAt(++end);
    if (end === start || (end > start + 1 && this.#text.charCodeAt(start) === 48)) {
      throw this.damaged("no whole number");
    }
    return end;
  }

  #slice(start: number, end: number): string {
    // V8 copies up to 12 characters; from 13 on a slice is a reference to the whole text.
    return end - start < 13 ? this.#text.slice(start, end) : this.#bytes.toString("latin1", start, end);
  }

  #take(code: number): void {
    if (!this.#isNext(code)) throw this.damaged(`no ${String.fromCharCode(code)}`);
  }

  /** Takes `code` if it is next. */
  #isNext(code: number): boolean {
    if (this.#text.charCodeAt(this.#skipSpace()) !== code) return false;
    this.#at++;
    return true;
  }

  #takeWord(word: string): boolean {
    if (!this.#text.startsWith(word, this.#skipSpace())) return false;
    this.#at += word.length;
    return true;
  }

  #skipSpace(): number {
    let code = this.#text.charCodeAt(this.#at);
    while (code === 32 || code === 10 || code === 13 || code === 9) code = this.#text.charCodeAt(++this.#at);
    return this.#at;
  }
}
