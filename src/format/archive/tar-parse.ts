/**
 * Tar headers as others write them: ustar, PAX and GNU. Everything in them is
 * untrusted. Layout: POSIX.1-2017, pax; GNU tar manual, "Basic Tar Format".
 *
 * @module
 */

import { BackupError } from "../../domain/error.ts";
import { tarBlockBytes, tarNameBytesMax } from "./tar-header.ts";

/** What one header block says, before the records that may precede it are applied. Names are bytes. */
export interface TarBlock {
  readonly type: string;
  readonly name: string;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly sizeBytes: number;
  readonly mtimeNs: bigint;
  readonly linkName: string;
}

/** Longest PAX or GNU name record taken: names of {@link tarNameBytesMax} and some attributes. */
export const tarRecordBytesMax: number = 1 << 20;

const nanosecondsPerSecond = 1_000_000_000n;

/** Reads a header block; undefined for a block of zeros. @throws {BackupError} `damaged` if its checksum does not match */
export function parseTarBlock(block: Buffer): TarBlock | undefined {
  if (isZero(block)) return undefined;
  if (checksumOf(block) !== numberAt(block, 148, 8)) throw damaged("a header's checksum does not match");
  const prefix = block.toString("latin1", 257, 263) === "ustar\0" ? textAt(block, 345, 155) : "";
  const name = textAt(block, 0, 100);
  return {
    type: String.fromCharCode(block[156] === 0 ? 0x30 : block[156]!),
    name: prefix === "" ? name : `${prefix}/${name}`,
    mode: numberAt(block, 100, 8),
    uid: numberAt(block, 108, 8),
    gid: numberAt(block, 116, 8),
    sizeBytes: numberAt(block, 124, 12),
    mtimeNs: BigInt(signedAt(block, 136, 12)) * nanosecondsPerSecond,
    linkName: textAt(block, 157, 100),
  };
}

/** The records of an extended header, values as bytes. @throws {BackupError} `damaged` */
export function parsePaxRecords(data: Buffer): ReadonlyMap<string, string> {
  const records = new Map<string, string>();
  for (let at = 0; at < data.length && data[at] !== 0; ) {
    const space = data.indexOf(0x20, at);
    const digits = space < 0 ? "" : data.toString("latin1", at, space);
    const length = /^[0-9]{1,7}$/.test(digits) ? Number(digits) : 0;
    const record = data.toString("latin1", space + 1, at + length);
    const equals = record.indexOf("=");
    if (length === 0 || at + length > data.length || equals < 1 || !record.endsWith("\n")) {
      throw damaged("an extended header makes no sense");
    }
    records.set(record.slice(0, equals), record.slice(equals + 1, -1));
    at += length;
  }
  return records;
}

/** Applies the records before a block to it. @throws {BackupError} `damaged`, `unsupported` */
export function applyPaxRecords(block: TarBlock, records: ReadonlyMap<string, string>): TarBlock {
  for (const key of records.keys()) {
    if (key.startsWith("GNU.sparse.")) {
      throw new BackupError(
        "unsupported",
        "Cannot read a tar archive: it holds sparse files in GNU's own form",
      );
    }
  }
  const whole = (key: string, otherwise: number): number => {
    const value = records.get(key);
    if (value === undefined) return otherwise;
    if (!/^[0-9]{1,16}$/.test(value) || !Number.isSafeInteger(Number(value)))
      throw damaged(`"${key}" is no number`);
    return Number(value);
  };
  const mtime = records.get("mtime");
  return {
    ...block,
    name: records.get("path") ?? block.name,
    linkName: records.get("linkpath") ?? block.linkName,
    sizeBytes: whole("size", block.sizeBytes),
    uid: whole("uid", block.uid),
    gid: whole("gid", block.gid),
    mtimeNs: mtime === undefined ? block.mtimeNs : timeOf(mtime),
  };
}

/** The name in the data of a GNU `L` or `K` block. @throws {BackupError} `damaged` */
export function parseGnuName(data: Buffer): string {
  const end = data.indexOf(0);
  const name = data.toString("latin1", 0, end < 0 ? data.length : end);
  if (name.length > tarNameBytesMax) throw damaged("a name is too long");
  return name;
}

function timeOf(text: string): bigint {
  const match = /^(-?)([0-9]{1,12})(?:\.([0-9]{0,30}))?$/.exec(text);
  if (match === null) throw damaged('"mtime" is no time');
  const fraction = (match[3] ?? "").slice(0, 9).padEnd(9, "0");
  const time = BigInt(match[2]!) * nanosecondsPerSecond + BigInt(fraction);
  return match[1] === "-" ? -time : time;
}

function isZero(block: Buffer): boolean {
  for (const byte of block) if (byte !== 0) return false;
  return true;
}

/** The sum of all bytes, with those of the checksum itself counted as spaces. */
function checksumOf(block: Buffer): number {
  let sum = 8 * 0x20;
  for (let i = 0; i < tarBlockBytes; i++) if (i < 148 || i >= 156) sum += block[i]!;
  return sum;
}

function textAt(block: Buffer, at: number, length: number): string {
  const end = block.indexOf(0, at);
  return block.toString("latin1", at, end < 0 || end > at + length ? at + length : end);
}

function numberAt(block: Buffer, at: number, length: number): number {
  const value = signedAt(block, at, length);
  if (value < 0) throw damaged("a number is negative");
  return value;
}

/** Octal digits, or GNU's base 256 where the first bit is set. */
function signedAt(block: Buffer, at: number, length: number): number {
  const first = block[at]!;
  if (first >= 0x80) {
    let value = first === 0xff ? -1n : BigInt(first & 0x7f);
    for (let i = at + 1; i < at + length; i++) value = (value << 8n) | BigInt(block[i]!);
    const number = Number(value);
    if (!Number.isSafeInteger(number)) throw damaged("a number is too large");
    return number;
  }
  const text = textAt(block, at, length).trim();
  if (!/^[0-7]*$/.test(text)) throw damaged("a number is not octal");
  return text === "" ? 0 : Number.parseInt(text, 8);
}

function damaged(what: string): BackupError {
  return new BackupError("damaged", `Cannot read a tar archive: ${what}`);
}
