/**
 * Lines of a contents file, read. The lines come from a vault that anybody may
 * have written to, so every field is checked before it is used: a wrong one makes the
 * file `damaged`, never a crash or an allocation of its choosing.
 *
 * @module
 */

import type { ByteString } from "../../domain/byte-string.ts";
import { asByteString, byteStringFromText, byteStringToUtf8 } from "../../domain/byte-string.ts";
import type { EntryKind, StoredEntry } from "../../domain/entry.ts";
import { BackupError } from "../../domain/error.ts";
import type { RunMember } from "./contents-line.ts";
import { contentsFormatVersion } from "./contents-line.ts";
import { tarNameBytesMax } from "./tar-header.ts";

/** No line is longer: two names of {@link tarNameBytesMax} in base64 or escapes, or 1,000 members. */
export const contentsLineBytesMax: number = 128 * 1024;

/** What the first line says. */
export interface ContentsHeader {
  readonly rootNames: readonly string[];
}

/** What a run line says; `members` are those on this very line. */
export interface RunLine {
  readonly offset: number;
  readonly entryCount: number;
  readonly memberCount: number;
  readonly members: readonly RunMember[];
}

/** An entry, and where its content starts in the raw bytes of its run (0 without content). */
export interface EntryLine {
  readonly entry: StoredEntry;
  readonly at: number;
}

/** @throws {BackupError} `damaged`; `unsupported` for a newer format */
export function parseContentsHeader(line: string): ContentsHeader {
  const fields = parseFields(line);
  const version = wholeNumber(fields, "contents_format_version");
  if (version > contentsFormatVersion) {
    throw new BackupError(
      "unsupported",
      `Cannot read a contents file: its format is ${version}, known is ${contentsFormatVersion}`,
      {
        hint: "Use the version of Vertex Backup that wrote it, or a newer one.",
      },
    );
  }
  const roots = fields["roots"];
  if (!Array.isArray(roots)) throw damaged("roots");
  return { rootNames: roots.map((root) => textOf(isFields(root) ? root["name"] : undefined, "roots")) };
}

/** @throws {BackupError} `damaged` */
export function parseRunLine(line: string): RunLine {
  const fields = parseFields(line);
  return {
    offset: wholeNumber(fields, "offset"),
    entryCount: wholeNumber(fields, "entries"),
    memberCount: wholeNumber(fields, "member_count"),
    members: parseMembers(fields["members"]),
  };
}

/** The members of a line that continues a run. @throws {BackupError} `damaged` */
export function parseMembersLine(line: string): readonly RunMember[] {
  return parseMembers(parseFields(line)["members"]);
}

/** @throws {BackupError} `damaged`; `unsafe` for a path that leads out of its root */
export function parseEntryLine(line: string): EntryLine {
  const fields = parseFields(line);
  const kind = kindOf(fields["kind"]);
  const attributes = {
    root: textOf(fields["root"], "root"),
    path: pathOf(fields["path"], "path"),
    kind,
    mode: modeOf(fields["mode"]),
    uid: wholeNumber(fields, "uid"),
    gid: wholeNumber(fields, "gid"),
    sizeBytes: wholeNumber(fields, "size"),
    mtimeNs: bigIntegerOf(fields, "mtime_ns"),
    ctimeNs: bigIntegerOf(fields, "ctime_ns"),
    inode: bigIntegerOf(fields, "inode"),
  };
  if (fields["hardlink"] !== undefined && kind === "file") {
    return { entry: { ...attributes, hardLinkTo: pathOf(fields["hardlink"], "hardlink") }, at: 0 };
  }
  if (kind === "symlink")
    return { entry: { ...attributes, linkTarget: nameOf(fields["link"], "link") }, at: 0 };
  if (kind === "directory") return { entry: attributes, at: 0 };
  const sha256 = fields["sha256"];
  if (typeof sha256 !== "string" || !/^[0-9a-f]{64}$/.test(sha256)) throw damaged("sha256");
  return { entry: { ...attributes, sha256, contentId: sha256 }, at: wholeNumber(fields, "at") };
}

/** Where an entry stands in the order, from its line. @throws {BackupError} `damaged` */
export function parseEntryPlace(line: string): { readonly root: string; readonly path: ByteString } {
  const fields = parseFields(line);
  return { root: textOf(fields["root"], "root"), path: nameOf(fields["path"], "path") };
}

type Fields = Readonly<Record<string, unknown>>;

function parseFields(line: string): Fields {
  const value = parseJson(line);
  if (!isFields(value)) throw damaged("line");
  return value;
}

function parseJson(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch (error) {
    throw notJson(error);
  }
}

function notJson(cause: unknown): BackupError {
  return new BackupError("damaged", "Cannot read a contents file: a line is not JSON", { cause });
}

function isFields(value: unknown): value is Fields {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function damaged(field: string): BackupError {
  return new BackupError("damaged", `Cannot read a contents file: "${field}" is not what was written`);
}

function wholeNumber(fields: Fields, field: string): number {
  const value = fields[field];
  if (typeof value !== "number" || !Number.isSafeInteger(value) || value < 0) throw damaged(field);
  return value;
}

function bigIntegerOf(fields: Fields, field: string): bigint {
  const value = fields[field];
  // 20 digits hold 64 bits; BigInt of a longer text could take long.
  if (typeof value !== "string" || !/^-?[0-9]{1,20}$/.test(value)) throw damaged(field);
  return BigInt(value);
}

function kindOf(value: unknown): EntryKind {
  if (value !== "file" && value !== "directory" && value !== "symlink") throw damaged("kind");
  return value;
}

function modeOf(value: unknown): number {
  if (typeof value !== "string" || !/^[0-7]{1,4}$/.test(value)) throw damaged("mode");
  return Number.parseInt(value, 8);
}

function nameOf(value: unknown, field: string): ByteString {
  const name = isFields(value) ? base64NameOf(value["base64"], field) : value;
  if (typeof name !== "string" || name.length > tarNameBytesMax) throw damaged(field);
  // Our writer escapes no character above a byte, and no name holds a NUL.
  if (hasWideCharacter(name) || name.includes("\0")) throw damaged(field);
  return asByteString(name);
}

/** A path that stays below its root, whoever wrote it. */
function pathOf(value: unknown, field: string): ByteString {
  const path = nameOf(value, field);
  if (path !== "" && /(?:^|\/)\.{0,2}(?:\/|$)/.test(path)) {
    throw new BackupError("unsafe", "Cannot read a contents file: a path leads out of its folder");
  }
  return path;
}

function base64NameOf(value: unknown, field: string): string {
  if (typeof value !== "string") throw damaged(field);
  return Buffer.from(value, "base64").toString("latin1");
}

function hasWideCharacter(text: string): boolean {
  return /[\u0100-\uffff]/.test(text);
}

/** Text that lies in the line as UTF-8 bytes. */
function textOf(value: unknown, field: string): string {
  if (typeof value !== "string") throw damaged(field);
  const text = hasWideCharacter(value) ? undefined : byteStringToUtf8(asByteString(value));
  if (text === undefined || byteStringFromText(text) !== value) throw damaged(field);
  return text;
}

function parseMembers(value: unknown): readonly RunMember[] {
  if (!Array.isArray(value)) throw damaged("members");
  return value.map((member: unknown) => {
    if (!Array.isArray(member) || member.length !== 3) throw damaged("members");
    const [storedBytes, rawBytes, crc32] = member as unknown[];
    for (const number of [storedBytes, rawBytes, crc32]) {
      if (typeof number !== "number" || !Number.isInteger(number) || number < 0 || number > 0xffffffff) {
        throw damaged("members");
      }
    }
    return { storedBytes, rawBytes, crc32 } as RunMember;
  });
}
