/**
 * The records of a zip file: local headers, data descriptors and the central
 * directory, with zip64 where a number needs it. Pure; who writes them compresses.
 * Layout: PKWARE APPNOTE 6.3.10; "UT" and "ux" extra fields: Info-ZIP's extrafld.txt.
 *
 * @module
 */

import { type ByteString, byteStringToBytes, byteStringToUtf8 } from "../../domain/byte-string.ts";
import type { EntryKind } from "../../domain/entry.ts";

/** 0xffff and 0xffffffff stand for "see the zip64 field", so the largest plain values are one less. */
const plainCountMax = 0xfffe;
const plainSizeMax = 0xfffffffe;
/** Deflate makes incompressible data longer by a few bytes in 64 KB: above this a size may not fit when it is known. */
const streamedSizeMax = 0xf0000000;
/** 2.0: folders and deflate; 4.5: zip64. */
const versionPlain = 20;
const versionZip64 = 45;
const madeByUnix = 3 << 8;
const flagDescriptor = 1 << 3;
const flagUtf8 = 1 << 11;
const folderAttribute = 0x10;
const kindBits: Readonly<Record<EntryKind, number>> = {
  file: 0o100000,
  directory: 0o040000,
  symlink: 0o120000,
};

/** What a record says of a member; `undefined` numbers follow in a descriptor. */
export interface ZipMember {
  readonly kind: EntryKind;
  /** Without a trailing "/", also for folders. */
  readonly name: ByteString;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly mtimeNs: bigint;
  readonly method: "stored" | "deflate";
  readonly sizeBytes: number;
  /** Known before the data is written; else a descriptor follows the data. */
  readonly known: ZipSum | undefined;
}

/** What is known of a member once its data was compressed. */
export interface ZipSum {
  readonly crc32: number;
  readonly packedBytes: number;
}

/** The header before a member's data. */
export function encodeLocalHeader(member: ZipMember): Buffer {
  const { known } = member;
  const zip64 = usesZip64(member);
  const name = nameBytes(member);
  const sizes = known === undefined ? [0n, 0n] : [BigInt(member.sizeBytes), BigInt(known.packedBytes)];
  const extra = Buffer.concat([...(zip64 ? [zip64Field(sizes)] : []), unixFields(member)]);
  const header = Buffer.alloc(30);
  header.writeUInt32LE(0x04034b50, 0);
  writeCommon(header, 4, member, zip64 ? versionZip64 : versionPlain);
  header.writeUInt32LE(known?.crc32 ?? 0, 14);
  header.writeUInt32LE(zip64 ? 0xffffffff : (known?.packedBytes ?? 0), 18);
  header.writeUInt32LE(zip64 ? 0xffffffff : known === undefined ? 0 : member.sizeBytes, 22);
  header.writeUInt16LE(name.length, 26);
  header.writeUInt16LE(extra.length, 28);
  return Buffer.concat([header, name, extra]);
}

/** The record after the data of a member whose header could not know it. */
export function encodeDescriptor(member: ZipMember, sum: ZipSum): Buffer {
  const zip64 = usesZip64(member);
  const record = Buffer.alloc(zip64 ? 24 : 16);
  record.writeUInt32LE(0x08074b50, 0);
  record.writeUInt32LE(sum.crc32, 4);
  if (zip64) {
    record.writeBigUInt64LE(BigInt(sum.packedBytes), 8);
    record.writeBigUInt64LE(BigInt(member.sizeBytes), 16);
  } else {
    record.writeUInt32LE(sum.packedBytes, 8);
    record.writeUInt32LE(member.sizeBytes, 12);
  }
  return record;
}

/** The member's record in the central directory. @param offset Where its local header starts */
export function encodeCentralRecord(member: ZipMember, sum: ZipSum, offset: number): Buffer {
  const name = nameBytes(member);
  const large = [
    ...(member.sizeBytes > plainSizeMax ? [BigInt(member.sizeBytes)] : []),
    ...(sum.packedBytes > plainSizeMax ? [BigInt(sum.packedBytes)] : []),
    ...(offset > plainSizeMax ? [BigInt(offset)] : []),
  ];
  const extra = Buffer.concat([...(large.length > 0 ? [zip64Field(large)] : []), unixFields(member)]);
  const zip64 = large.length > 0 || usesZip64(member);
  const record = Buffer.alloc(46);
  record.writeUInt32LE(0x02014b50, 0);
  record.writeUInt16LE(madeByUnix | versionZip64, 4);
  writeCommon(record, 6, member, zip64 ? versionZip64 : versionPlain);
  record.writeUInt32LE(sum.crc32, 16);
  record.writeUInt32LE(plainOrMarker(sum.packedBytes), 20);
  record.writeUInt32LE(plainOrMarker(member.sizeBytes), 24);
  record.writeUInt16LE(name.length, 28);
  record.writeUInt16LE(extra.length, 30);
  const folder = member.kind === "directory" ? folderAttribute : 0;
  record.writeUInt32LE((((kindBits[member.kind] | (member.mode & 0o7777)) << 16) | folder) >>> 0, 38);
  record.writeUInt32LE(plainOrMarker(offset), 42);
  return Buffer.concat([record, name, extra]);
}

/** What ends the file, after the records of the central directory. */
export function encodeEndOfDirectory(directory: {
  readonly members: number;
  readonly sizeBytes: number;
  readonly offset: number;
}): Buffer {
  const { members, sizeBytes, offset } = directory;
  const end = Buffer.alloc(22);
  end.writeUInt32LE(0x06054b50, 0);
  end.writeUInt16LE(members > plainCountMax ? 0xffff : members, 8);
  end.writeUInt16LE(members > plainCountMax ? 0xffff : members, 10);
  end.writeUInt32LE(plainOrMarker(sizeBytes), 12);
  end.writeUInt32LE(plainOrMarker(offset), 16);
  if (members <= plainCountMax && sizeBytes <= plainSizeMax && offset <= plainSizeMax) return end;
  const zip64 = Buffer.alloc(56 + 20);
  zip64.writeUInt32LE(0x06064b50, 0);
  zip64.writeBigUInt64LE(44n, 4);
  zip64.writeUInt16LE(madeByUnix | versionZip64, 12);
  zip64.writeUInt16LE(versionZip64, 14);
  zip64.writeBigUInt64LE(BigInt(members), 24);
  zip64.writeBigUInt64LE(BigInt(members), 32);
  zip64.writeBigUInt64LE(BigInt(sizeBytes), 40);
  zip64.writeBigUInt64LE(BigInt(offset), 48);
  zip64.writeUInt32LE(0x07064b50, 56);
  zip64.writeBigUInt64LE(BigInt(offset + sizeBytes), 64);
  zip64.writeUInt32LE(1, 72);
  return Buffer.concat([zip64, end]);
}

/** Decided from the size alone: header, descriptor and directory must agree before the data is seen. */
function usesZip64(member: ZipMember): boolean {
  if (member.known === undefined) return member.sizeBytes > streamedSizeMax;
  return member.sizeBytes > plainSizeMax || member.known.packedBytes > plainSizeMax;
}

/** The fields from "version needed" to the time, which both headers have in this order. */
function writeCommon(target: Buffer, at: number, member: ZipMember, version: number): void {
  const { date, time } = dosTime(member.mtimeNs);
  const utf8 = byteStringToUtf8(member.name) === undefined ? 0 : flagUtf8;
  target.writeUInt16LE(version, at);
  target.writeUInt16LE(utf8 | (member.known === undefined ? flagDescriptor : 0), at + 2);
  target.writeUInt16LE(member.method === "deflate" ? 8 : 0, at + 4);
  target.writeUInt16LE(time, at + 6);
  target.writeUInt16LE(date, at + 8);
}

function nameBytes({ kind, name }: ZipMember): Buffer {
  const bytes = byteStringToBytes(name);
  return kind === "directory" ? Buffer.concat([bytes, Buffer.from("/")]) : bytes;
}

function plainOrMarker(value: number): number {
  return value > plainSizeMax ? 0xffffffff : value;
}

function zip64Field(values: readonly bigint[]): Buffer {
  const field = Buffer.alloc(4 + 8 * values.length);
  field.writeUInt16LE(0x0001, 0);
  field.writeUInt16LE(8 * values.length, 2);
  for (const [index, value] of values.entries()) field.writeBigUInt64LE(value, 4 + 8 * index);
  return field;
}

/** The time in UTC, to the second, where it fits 32 bits; and the owner. */
function unixFields({ mtimeNs, uid, gid }: ZipMember): Buffer {
  const seconds = Number(mtimeNs / 1_000_000_000n);
  const owner = Buffer.alloc(15);
  owner.writeUInt16LE(0x7875, 0);
  owner.writeUInt16LE(11, 2);
  owner.writeUInt8(1, 4);
  owner.writeUInt8(4, 5);
  owner.writeUInt32LE(uid >>> 0, 6);
  owner.writeUInt8(4, 10);
  owner.writeUInt32LE(gid >>> 0, 11);
  if (seconds < -0x80000000 || seconds > 0x7fffffff) return owner;
  const time = Buffer.alloc(9);
  time.writeUInt16LE(0x5455, 0);
  time.writeUInt16LE(5, 2);
  time.writeUInt8(1, 4);
  time.writeInt32LE(seconds, 5);
  return Buffer.concat([time, owner]);
}

/** Local time in steps of two seconds, from 1980 to 2107: all that zip itself can hold. */
function dosTime(mtimeNs: bigint): { readonly date: number; readonly time: number } {
  const when = new Date(Number(mtimeNs / 1_000_000n));
  const year = when.getFullYear();
  if (!(year >= 1980)) return { date: (1 << 5) | 1, time: 0 };
  if (year > 2107) return { date: (127 << 9) | (12 << 5) | 31, time: 0 };
  return {
    date: ((year - 1980) << 9) | ((when.getMonth() + 1) << 5) | when.getDate(),
    time: (when.getHours() << 11) | (when.getMinutes() << 5) | (when.getSeconds() >> 1),
  };
}
