/**
 * A second backup of 100,000 small files of which none changed, against
 * `tar cf`, and the memory it takes.
 *
 * @module
 */

import { rmSync } from "node:fs";
import { join } from "node:path";
import { makeSmallFiles } from "../data.ts";
import { interleave, measure, summarise } from "../measure.ts";
import { type BenchContext, limitRow, ratioRow, type Row, removeVault } from "./row.ts";

export async function unchangedRows(context: BenchContext): Promise<Row[]> {
  const folder = join(context.scratch, "small");
  const vault = join(context.scratch, "vault");
  const archive = join(context.scratch, "theirs.tar");
  makeSmallFiles(folder);
  const create = ["create", "--type", "storage", "--vault", vault, "--storage", folder, "--no-rotate", "-q"];
  await measure([...context.program, ...create]);
  const series = await interleave(context.rounds, {
    ours: async () => (await measure([...context.program, ...create])).seconds,
    tar: async () => (await measure(["tar", "cf", archive, "-C", context.scratch, "small"])).seconds,
  });
  const memory = [];
  for (let round = 0; round < context.rounds; round++) {
    memory.push((await measure([...context.program, ...create], { memory: true })).peakBytes / 1e6);
  }
  removeVault(context, vault);
  for (const path of [folder, archive]) rmSync(path, { recursive: true, force: true });
  return [
    ratioRow("unchanged 100,000 small files against tar cf", 1, series.ours, series.tar),
    limitRow("unchanged 100,000 small files, resident memory", 250, "MB", summarise(memory), 0),
  ];
}
