/**
 * Peak memory of the process tree while a repository takes its first backup: many
 * files, one huge file, very many files.
 *
 * @module
 */

import { createCipheriv } from "node:crypto";
import { closeSync, mkdirSync, openSync, rmSync, writeSync } from "node:fs";
import { join } from "node:path";
import { makeMixedData, makeSmallFiles } from "../data.ts";
import { measure, summarise } from "../measure.ts";
import { ourRepository } from "./contestants.ts";
import { type BenchContext, limitRow, type Row } from "./row.ts";

export async function repositoryMemoryRows(context: BenchContext): Promise<Row[]> {
  const place = join(context.scratch, "memory");
  const cases: [string, number, (folder: string) => void][] = [
    ["1.7 GB in 12,000 files", 300, (folder) => void makeMixedData(folder)],
    ["one file of 20 GB that does not compress", 300, makeHugeFile],
    ["1,000,000 files", 800, (folder) => makeSmallFiles(folder, 1_000_000)],
  ];
  const rows: Row[] = [];
  for (const [what, limit, make] of cases) {
    const folder = join(place, "data");
    mkdirSync(folder, { recursive: true });
    make(folder);
    const ours = ourRepository(context, join(place, "ours"));
    await ours.init();
    const { peakBytes } = await measure(ours.backup(folder), { memory: true });
    rows.push(
      limitRow(`peak memory of a first backup: ${what}`, limit, "MB", summarise([peakBytes / 1e6]), 0),
    );
    rmSync(place, { recursive: true, force: true });
  }
  return rows;
}

/** 20 GB that neither compress nor repeat, so that all of it is stored: takes twice that of the disk. */
function makeHugeFile(folder: string): void {
  const descriptor = openSync(join(folder, "disk.img"), "w");
  // Key and nonce are of no secrecy: what AES in counter mode makes of zeros looks random, and quickly.
  const noise = createCipheriv("aes-128-ctr", Buffer.alloc(16, 1), Buffer.alloc(16));
  const zeros = Buffer.alloc(1_000_000);
  for (let i = 0; i < 20_000; i++) writeSync(descriptor, noise.update(zeros));
  closeSync(descriptor);
}
