/**
 * Tar headers as POSIX.1-2001 has them: a ustar block, preceded by a PAX record
 * block only where ustar cannot hold a value. Names are bytes throughout.
 * Layout: POSIX.1-2017, pax, "ustar Interchange Format" and "pax Extended Header".
 *
 * @module
 */

import type { ByteString } from "../../domain/byte-string.ts";
import { byteStringToUtf8 } from "../../domain/byte-string.ts";
import type { EntryKind } from "../../domain/entry.ts";
import { BackupError } from "../../domain/error.ts";

/** Tar counts in blocks of this size; data is padded with zeros to it. */
export const tarBlockBytes = 512;
/** Two zero blocks end an archive. */
export const tarEndBytes: number = 2 * tarBlockBytes;
/** Longest path or link target taken, each; Linux's PATH_MAX is 4,096 and names inside a root are shorter. */
export const tarNameBytesMax = 8192;
/** No header is longer: two names and a few numbers in PAX records, and two ustar blocks. */
export const tarHeaderBytesMax: number = 2 * tarNameBytesMax + 4 * tarBlockBytes;

const nameFieldBytes = 100;
const ownerFieldBytes = 32;
/** Largest values of the octal fields of 7 and 11 digits. */
const sevenDigitsMax = 0o7777777;
const elevenDigitsMax = 0o77777777777;
const nanosecondsPerSecond = 1_000_000_000n;
const nonAscii = /[\u0080-\u00ff]/;

/** What a header says. */
export interface TarMember {
  readonly kind: EntryKind;
  /** Without a trailing "/", also for directories. */
  readonly name: string;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly mtimeNs: bigint;
  /** Bytes that follow; 0 for all but files with content. */
  readonly sizeBytes: number;
  readonly linkTarget?: string | undefined;
  /** Full name in the archive of the entry this is a further name of. */
  readonly hardLinkTo?: string | undefined;
  /** Names of the owners, as bytes; empty where unknown. */
  readonly userName: string;
  readonly groupName: string;
}

/**
 * Writes the header of `member` into `target` at `at` and returns its length, a
 * multiple of 512 and at most {@link tarHeaderBytesMax}, for which there must be room.
 *
 * @throws {BackupError} `unsupported` if a name is longer than {@link tarNameBytesMax}
 */
export function encodeTarHeader(member: TarMember, target: Uint8Array, at: number): number {
  const name = member.kind === "directory" ? `${member.name}/` : member.name;
  const link = member.hardLinkTo ?? member.linkTarget ?? "";
  if (name.length > tarNameBytesMax || link.length > tarNameBytesMax) {
    throw new BackupError("unsupported", `Cannot store an entry: its name has ${name.length} bytes`);
  }
  const seconds = secondsOf(member.mtimeNs);
  const records = paxRecords(member, name, link, seconds);
  let end = at;
  if (records !== "") end += encodePaxBlocks(records, target, at);
  encodeUstarBlock({ member, name, link, seconds }, target, end);
  return end + tarBlockBytes - at;
}

/** Bytes of zeros after `sizeBytes` of data. */
export function tarPaddingBytes(sizeBytes: number): number {
  return (tarBlockBytes - (sizeBytes % tarBlockBytes)) % tarBlockBytes;
}

interface UstarFields {
  readonly member: TarMember;
  readonly name: string;
  readonly link: string;
  readonly seconds: number;
}

function encodeUstarBlock(fields: UstarFields, target: Uint8Array, at: number): void {
  const { member, name, link, seconds } = fields;
  target.fill(0, at, at + tarBlockBytes);
  let sum =
    putText(name, nameFieldBytes, target, at) +
    putOctal(member.mode & 0o7777, 7, target, at + 100) +
    putOctal(member.uid <= sevenDigitsMax ? member.uid : 0, 7, target, at + 108) +
    putOctal(member.gid <= sevenDigitsMax ? member.gid : 0, 7, target, at + 116) +
    putOctal(member.sizeBytes <= elevenDigitsMax ? member.sizeBytes : 0, 11, target, at + 124) +
    putOctal(seconds >= 0 && seconds <= elevenDigitsMax ? seconds : 0, 11, target, at + 136) +
    putText(link, nameFieldBytes, target, at + 157) +
    putText(member.userName, ownerFieldBytes - 1, target, at + 265) +
    putText(member.groupName, ownerFieldBytes - 1, target, at + 297);
  target[at + 156] = typeFlag(member);
  sum += typeFlag(member) + putMagic(target, at);
  putChecksum(sum, target, at);
}

function typeFlag(member: TarMember): number {
  if (member.hardLinkTo !== undefined) return 0x31;
  if (member.kind === "symlink") return 0x32;
  return member.kind === "directory" ? 0x35 : 0x30;
}

function paxRecords(member: TarMember, name: string, link: string, seconds: number): string {
  let records = "";
  if (member.mtimeNs % nanosecondsPerSecond !== 0n || seconds < 0 || seconds > elevenDigitsMax) {
    records += paxRecord("mtime", paxTime(member.mtimeNs));
  }
  if (needsPax(name)) records += paxRecord("path", name);
  if (needsPax(link)) records += paxRecord("linkpath", link);
  if (member.sizeBytes > elevenDigitsMax) records += paxRecord("size", String(member.sizeBytes));
  if (member.uid > sevenDigitsMax) records += paxRecord("uid", String(member.uid));
  if (member.gid > sevenDigitsMax) records += paxRecord("gid", String(member.gid));
  return records;
}

/**
 * PAX text is UTF-8 by definition. A short name that is not goes into the ustar field,
 * where every tar takes bytes as they are; a long one has no other place than PAX, and GNU tar reads it there.
 */
function needsPax(name: string): boolean {
  if (name.length > nameFieldBytes) return true;
  return nonAscii.test(name) && byteStringToUtf8(name as ByteString) !== undefined;
}

/** `"%d %s=%s\n"`, where the number counts the whole record and so its own digits. */
function paxRecord(keyword: string, value: string): string {
  const rest = keyword.length + value.length + 3;
  let digits = String(rest).length;
  if (String(rest + digits).length > digits) digits++;
  return `${rest + digits} ${keyword}=${value}\n`;
}

function paxTime(timeNs: bigint): string {
  const absolute = timeNs < 0n ? -timeNs : timeNs;
  const whole = absolute / nanosecondsPerSecond;
  const digits = String(absolute % nanosecondsPerSecond).padStart(9, "0");
  let length = 9;
  while (length > 0 && digits.charCodeAt(length - 1) === 0x30) length--;
  return `${timeNs < 0n ? "-" : ""}${whole}${length === 0 ? "" : "."}${digits.slice(0, length)}`;
}

/** Rounded down, as ustar's own field has it. */
function secondsOf(timeNs: bigint): number {
  const seconds = timeNs / nanosecondsPerSecond;
  return Number(timeNs < 0n && timeNs % nanosecondsPerSecond !== 0n ? seconds - 1n : seconds);
}

const paxBlock = makePaxBlock();
const paxBlockSum = paxBlock.reduce((sum, byte) => sum + byte, 0);

function encodePaxBlocks(records: string, target: Uint8Array, at: number): number {
  const padded = records.length + tarPaddingBytes(records.length);
  target.set(paxBlock, at);
  putChecksum(paxBlockSum + putOctal(records.length, 11, target, at + 124), target, at);
  const dataAt = at + tarBlockBytes;
  for (let i = 0; i < records.length; i++) target[dataAt + i] = records.charCodeAt(i);
  target.fill(0, dataAt + records.length, dataAt + padded);
  return tarBlockBytes + padded;
}

/** Everything of an extended header's own block but its size and checksum. The name is the one Python's tarfile uses. */
function makePaxBlock(): Uint8Array {
  const block = new Uint8Array(tarBlockBytes);
  putText("././@PaxHeader", nameFieldBytes, block, 0);
  putOctal(0o644, 7, block, 100);
  putOctal(0, 7, block, 108);
  putOctal(0, 7, block, 116);
  putOctal(0, 11, block, 136);
  block[156] = 0x78;
  putMagic(block, 0);
  return block;
}

function putMagic(target: Uint8Array, at: number): number {
  return putText("ustar", 5, target, at + 257) + putText("00", 2, target, at + 263);
}

function putChecksum(sum: number, target: Uint8Array, at: number): void {
  const withSpaces = sum + 8 * 0x20;
  putOctal(withSpaces, 6, target, at + 148);
  target[at + 154] = 0;
  target[at + 155] = 0x20;
}

/** The sum of what was written, for the checksum: cheaper than adding up 512 bytes again. */
function putText(text: string, lengthMax: number, target: Uint8Array, at: number): number {
  const length = Math.min(text.length, lengthMax);
  let sum = 0;
  for (let i = 0; i < length; i++) {
    const byte = text.charCodeAt(i);
    target[at + i] = byte;
    sum += byte;
  }
  return sum;
}

function putOctal(value: number, digits: number, target: Uint8Array, at: number): number {
  let sum = 0;
  let rest = value;
  for (let i = digits - 1; i >= 0; i--) {
    const digit = 0x30 + (rest % 8);
    rest = Math.floor(rest / 8);
    target[at + i] = digit;
    sum += digit;
  }
  return sum;
}
