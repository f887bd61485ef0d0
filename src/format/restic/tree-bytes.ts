/**
 * The bytes of a tree, taken piece by piece in the one form that restic and we write.
 * Every `take` moves on and answers whether what it takes was there; where it was not,
 * the place is undefined and the caller gives up.
 *
 * @module
 */

import { backslash, colon, exactDigits, quote, uint64Max } from "./json-bytes.ts";
import { secondsOfDate } from "./times.ts";

const idBytes = 32;

const two16 = 0x1_0000;
const two32 = 0x1_0000_0000;
const uint32Max = 0xffff_ffff;
const uint64Digits = 20;

/** With the T behind it. */
const dateBytes = 11;
const billion = 1_000_000_000;
const fractionDigits = 9;

const plus = 43;
const minus = 45;
const dot = 46;
const zero = 48;
const nine = 57;
const zulu = 90;

const hexValues: Int8Array = new Int8Array(256).fill(-1);
for (const [value, digit] of [..."0123456789abcdef"].entries()) hexValues[digit.charCodeAt(0)] = value;

export class TreeBytes {
  readonly bytes: Buffer;
  /** Where the next byte is taken. */
  at = 0;
  /** What {@link takeNumber} took last. */
  number = 0;
  /** Where the date that was met last stands, and its seconds since 1970. */
  #dateAt = -1;
  #dateSeconds = 0;

  constructor(bytes: Uint8Array) {
    this.bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  take(wanted: Uint8Array): boolean {
    const { bytes, at } = this;
    for (let i = 0; i < wanted.length; i++) if (bytes[at + i] !== wanted[i]) return false;
    this.at = at + wanted.length;
    return true;
  }

  takeByte(wanted: number): boolean {
    if (this.bytes[this.at] !== wanted) return false;
    this.at++;
    return true;
  }

  /** Takes what stands between `start` and `end`, if it comes once more. */
  takeAgain(start: number, end: number): boolean {
    if (!this.isSame(start, end, this.at)) return false;
    this.at += end - start;
    return true;
  }

  /** Does the same stand from `other` on? */
  isSame(start: number, end: number, other: number): boolean {
    const { bytes } = this;
    for (let at = start, to = other; at < end; at++, to++) if (bytes[at] !== bytes[to]) return false;
    return true;
  }

  text(start: number, end: number): string {
    return this.bytes.toString("latin1", start, end);
  }

  /** The rest of a string of ASCII without escapes, and the quote behind it. */
  takePlainText(): boolean {
    const { bytes } = this;
    let { at } = this;
    let code = bytes[at] ?? 0;
    while (code !== quote && code !== backslash && code >= 32 && code < 128) code = bytes[++at] ?? 0;
    this.at = at + 1;
    return code === quote;
  }

  /** A whole number of at most 15 digits. */
  takeNumber(max: number): boolean {
    const { bytes, at } = this;
    const end = this.#endOfDigits();
    if (end < 0 || end - at > exactDigits) return false;
    let value = 0;
    for (let i = at; i < end; i++) value = value * 10 + ((bytes[i] ?? 0) - zero);
    this.number = value;
    this.at = end;
    return value <= max;
  }

  /** A number of 64 bits, written little-endian. */
  takeUint64(into: DataView, to: number): boolean {
    const { at } = this;
    const end = this.#endOfDigits();
    if (end < 0 || end - at > uint64Digits) return false;
    if (end - at <= exactDigits) {
      if (!this.takeNumber(Number.MAX_SAFE_INTEGER)) return false;
      writeHalves(into, to, this.number % two32, Math.floor(this.number / two32));
      return true;
    }
    const value = BigInt(this.text(at, end));
    this.at = end;
    if (value > uint64Max) return false;
    into.setBigUint64(to, value, true);
    return true;
  }

  /** An id and the quote behind it, written raw. */
  takeId(into: Uint8Array, to: number): boolean {
    const { bytes, at } = this;
    let wrong = 0;
    for (let i = 0; i < idBytes; i++) {
      const value = (hexValues[bytes[at + 2 * i] ?? 0]! << 4) | hexValues[bytes[at + 2 * i + 1] ?? 0]!;
      into[to + i] = value;
      wrong |= value;
    }
    this.at = at + 2 * idBytes;
    return wrong >= 0 && this.takeByte(quote);
  }

  /** A time from 1970 to 2106 and the quote behind it, written as nanoseconds, little-endian. */
  takeTime(into: DataView, to: number): boolean {
    if (!this.#takeDate() || !this.#takeClock()) return false;
    const local = this.number;
    const nanos = this.#takeFraction();
    const seconds = local - this.#takeZone();
    // False also for NaN.
    if (!(nanos >= 0 && seconds >= 0 && seconds <= uint32Max)) return false;
    // The product has up to 62 bits, of which a double holds 53: so it is made in halves.
    const upper = Math.floor(seconds / two16) * billion;
    const lower = (upper % two16) * two16 + (seconds % two16) * billion + nanos;
    writeHalves(into, to, lower % two32, Math.floor(upper / two16) + Math.floor(lower / two32));
    return this.takeByte(quote);
  }

  /** Most dates are the one before. */
  #takeDate(): boolean {
    const { at } = this;
    this.at = at + dateBytes;
    if (this.#dateAt >= 0 && this.isSame(this.#dateAt, this.#dateAt + dateBytes, at)) return true;
    const seconds = secondsOfDate(this.text(at, at + dateBytes));
    if (seconds === undefined) return false;
    this.#dateAt = at;
    this.#dateSeconds = seconds;
    return true;
  }

  #takeClock(): boolean {
    const { bytes, at } = this;
    const hour = this.#twoDigits(at);
    const minute = this.#twoDigits(at + 3);
    const second = this.#twoDigits(at + 6);
    // False also for NaN.
    const isClock = hour <= 23 && minute <= 59 && second <= 59;
    this.number = this.#dateSeconds + hour * 3600 + minute * 60 + second;
    this.at = at + 8;
    return isClock && bytes[at + 2] === colon && bytes[at + 5] === colon;
  }

  /** NaN where there is a dot but not one to nine digits. */
  #takeFraction(): number {
    if (!this.takeByte(dot)) return 0;
    const { bytes, at: start } = this;
    let at = start;
    let value = 0;
    for (let code = bytes[at] ?? 0; code >= zero && code <= nine; code = bytes[++at] ?? 0) {
      value = value * 10 + (code - zero);
    }
    this.at = at;
    if (at === start || at - start > fractionDigits) return Number.NaN;
    for (let digits = at - start; digits < fractionDigits; digits++) value *= 10;
    return value;
  }

  /** Seconds east of Greenwich; NaN where there is no zone. */
  #takeZone(): number {
    const { bytes, at } = this;
    if (this.takeByte(zulu)) return 0;
    const sign = bytes[at];
    const hours = this.#twoDigits(at + 1);
    const minutes = this.#twoDigits(at + 4);
    this.at = at + 6;
    const isZone = (sign === plus || sign === minus) && bytes[at + 3] === colon;
    if (!isZone || !(hours <= 24 && minutes <= 59)) return Number.NaN;
    return (sign === minus ? -60 : 60) * (hours * 60 + minutes);
  }

  #twoDigits(at: number): number {
    const tens = (this.bytes[at] ?? 0) - zero;
    const ones = (this.bytes[at + 1] ?? 0) - zero;
    return tens >= 0 && tens <= 9 && ones >= 0 && ones <= 9 ? tens * 10 + ones : Number.NaN;
  }

  /** -1 where there is no whole number. */
  #endOfDigits(): number {
    const { bytes, at: start } = this;
    let at = start;
    for (let code = bytes[at] ?? 0; code >= zero && code <= nine; ) code = bytes[++at] ?? 0;
    return at === start || (at > start + 1 && bytes[start] === zero) ? -1 : at;
  }
}

function writeHalves(into: DataView, to: number, low: number, high: number): void {
  into.setUint32(to, low, true);
  into.setUint32(to + 4, high, true);
}
