/**
 * Peak memory of the process tree while a repository takes its first backup: many
 * files, one huge file, very many files.
 *
 * @module
 */

import { closeSync, ftruncateSync, mkdirSync, openSync, rmSync, writeSync } from "node:fs";
import { join } from "node:path";
import { incompressible, makeMixedData, makeSmallFiles } from "../data.ts";
import { measure, summarise } from "../measure.ts";
import { ourRepository } from "./contestants.ts";
import { type BenchContext, limitRow, type Row } from "./row.ts";

export async function repositoryMemoryRows(context: BenchContext): Promise<Row[]> {
  const place = join(context.scratch, "memory");
  const cases: [string, number, (folder: string) => void][] = [
    ["1.7 GB in 12,000 files", 300, (folder) => void makeMixedData(folder)],
    ["one file of 20 GB", 300, makeHugeFile],
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

const mebibyte = 1 << 20;

/** 20 GB of which a tenth are random bytes and the rest zeros, as disk images are: its blobs fit on a small disk. */
function makeHugeFile(folder: string): void {
  const descriptor = openSync(join(folder, "disk.img"), "w");
  ftruncateSync(descriptor, 20e9);
  for (let i = 0; i < 200; i++)
    writeSync(descriptor, incompressible(10 * mebibyte, i), 0, 10 * mebibyte, i * 100_000_000);
  closeSync(descriptor);
}
