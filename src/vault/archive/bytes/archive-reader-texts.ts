/**
 * The members of a contents file: each holds whole lines and can be read by itself.
 *
 * @module
 */

import { createHash } from "node:crypto";
import { BackupError, isBackupError } from "../../../domain/error.ts";
import {
  decodeMember,
  memberHeaderBytes,
  memberLength,
  memberRawLength,
} from "../../../encode/gzip-member.ts";
import type { Storage } from "../../../storage/storage.ts";
import { ByteFeed } from "./byte-feed.ts";

/** Members decoded ahead: inflating runs beside the parsing of what came before. */
const decodeAheadMax = 3;

/** One member of a contents file. */
export interface ContentsText {
  /** Whole lines with their ends. Not made a string: a heap that text passes through is collected far more often. */
  readonly lines: Buffer;
  /** The member they were decoded from. */
  readonly member: Uint8Array;
}

/** Some of the lines of a member: bytes `from` up to `to`. */
export interface TextRange {
  readonly text: ContentsText;
  readonly from: number;
  readonly to: number;
}

export interface TextsSource {
  readonly storage: Pick<Storage, "get">;
  readonly name: string;
  /** Checked at the end where given. */
  readonly expected?: { readonly sizeBytes: number; readonly sha256: string };
}

/** One member after the other, each checked by its own CRC before it is handed out (I6). */
export async function* readTexts(source: TextsSource, signal: AbortSignal): AsyncGenerator<ContentsText> {
  const { storage, name, expected } = source;
  const hash = createHash("sha256");
  let sizeBytes = 0;
  await using feed = new ByteFeed(storage.get(name, undefined, signal), name);
  const ahead: Promise<ContentsText>[] = [];
  while (!(await feed.ended())) {
    signal.throwIfAborted();
    const header = await feed.take(memberHeaderBytes);
    const member = Buffer.allocUnsafe(memberLengthIn(header, name));
    header.copy(member);
    await feed.take(member.length - memberHeaderBytes, member.subarray(memberHeaderBytes));
    hash.update(member);
    sizeBytes += member.length;
    const text = decodeText(member, name);
    // It may be awaited long after it failed.
    text.catch(() => undefined);
    ahead.push(text);
    if (ahead.length > decodeAheadMax) yield await ahead.shift()!;
  }
  for (const text of ahead) yield await text;
  if (expected === undefined) return;
  if (sizeBytes !== expected.sizeBytes || hash.digest("hex") !== expected.sha256) {
    throw new BackupError("damaged", `Cannot read ${name}: its checksum does not match`);
  }
}

function memberLengthIn(header: Buffer, name: string): number {
  try {
    return memberLength(header);
  } catch (error) {
    throw named(error, name);
  }
}

async function decodeText(member: Buffer, name: string): Promise<ContentsText> {
  try {
    const raw = await decodeMember(member, memberRawLength(member), undefined);
    return { lines: Buffer.from(raw.buffer, raw.byteOffset, raw.length), member };
  } catch (error) {
    throw named(error, name);
  }
}

function named(error: unknown, name: string): unknown {
  if (!isBackupError(error, "damaged")) return error;
  return new BackupError("damaged", `Cannot read ${name}: a member of it is damaged`, { cause: error });
}
