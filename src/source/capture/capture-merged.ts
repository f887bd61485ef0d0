/**
 * Copies a pinned database file and puts the committed pages of its log on top while
 * it does so, so that each byte of the image is final when it is written and can be
 * read by others at once.
 *
 * @module
 */

import { fstatSync } from "node:fs";
import type { FileHandle } from "node:fs/promises";
import { isSqliteHeader, versionBytes, versionOffset } from "../../format/sqlite/header.ts";
import type { CommittedPages } from "../../format/sqlite/wal.ts";
import type { Attempt, CaptureContext } from "./capture-attempt.ts";
import { copyBytes, createImage, writeFully } from "./capture-files.ts";
import { largestImage } from "./capture-plan.ts";
import { claimsTooMuch } from "./capture-recovery.ts";

/** How often others are told how far the image has come: some milliseconds of copying. */
const steadyEveryBytes = 8 * 1024 * 1024;

/** A log in memory, with what is committed in it. */
export interface MergedLog extends CommittedPages {
  readonly bytes: Uint8Array;
}

/**
 * Makes the image: as many pages as there are after the log's last commit, the log's version of each
 * that it holds. Without a log the file alone is the database.
 *
 * @returns The refusal of a stranger's database that would grow beyond all that its files held.
 */
export async function copyMerged(
  context: CaptureContext,
  source: number,
  log: MergedLog | undefined,
): Promise<Attempt | undefined> {
  const { imagePath, trust } = context.request;
  const fileBytes = fstatSync(source).size;
  const size = log === undefined ? fileBytes : log.pageCount * log.pageSizeBytes;
  if (trust === "found" && size > largestImage(context.files)) return claimsTooMuch;
  await using image = await createImage(imagePath);
  let told = 0;
  const copied = await copyBytes(source, image, {
    limit: Math.min(size, fileBytes),
    patch: (block, position) => {
      if (log !== undefined) putPages(block, position, log);
      if (position === 0 && isSqliteHeader(block)) block.set(versionBytes("delete"), versionOffset);
    },
    report: (done) => {
      context.report(done, size);
      if (done - told < steadyEveryBytes) return;
      told = done;
      context.steady(done);
    },
  });
  await image.truncate(size);
  if (log !== undefined) writePagesFrom(image, copied, log);
  return undefined;
}

/** Puts the log's versions of pages into a block of the file; the last page may be cut off. */
function putPages(block: Buffer, position: number, { pageSizeBytes, places, bytes }: MergedLog): void {
  const first = position / pageSizeBytes + 1;
  for (let at = 0; at < block.length; at += pageSizeBytes) {
    const place = places.get(first + at / pageSizeBytes);
    if (place === undefined) continue;
    block.set(bytes.subarray(place, place + Math.min(pageSizeBytes, block.length - at)), at);
  }
}

/** Writes the pages that the file does not have, or not whole; those that lie in neither stay holes. */
function writePagesFrom(image: FileHandle, copied: number, log: MergedLog): void {
  for (const [page, place] of log.places) {
    const position = (page - 1) * log.pageSizeBytes;
    if (position + log.pageSizeBytes <= copied || page > log.pageCount) continue;
    writeFully(image, log.bytes.subarray(place, place + log.pageSizeBytes), position);
  }
}
