/**
 * First backup of a folder against `tar czf` and `tar | pigz`, the size of the
 * text part, and the restore of it.
 *
 * @module
 */

import { mkdirSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { makeMixedData } from "../data.ts";
import { interleave, measure, measureShell } from "../measure.ts";
import { type BenchContext, ratioRow, type Row, removeVault } from "./row.ts";

export async function storageRows(context: BenchContext): Promise<Row[]> {
  const data = makeMixedData(join(context.scratch, "mixed"));
  const archive = join(context.scratch, "theirs.tar.gz");
  const vault = join(context.scratch, "vault");
  const source = ["-C", context.scratch, "mixed"];
  const fresh = (path: string): void => rmSync(path, { recursive: true, force: true });
  await measure(["tar", "cf", "/dev/null", "--", ...source]).catch(() => undefined);

  const create = await interleave(context.rounds, {
    ours: async () => {
      removeVault(context, vault);
      return (await measure(createCommand(context, vault, data.directory))).seconds;
    },
    pigz: async () => (await measureShell(`tar cf - ${source.join(" ")} | pigz > ${archive}`)).seconds,
    tar: async () => (await measure(["tar", "czf", archive, ...source])).seconds,
  });
  const restore = await restoreSeries(context, vault, archive);
  const size = await textSize(context, data.textDirectory);
  removeVault(context, vault);
  for (const path of [archive, data.directory]) fresh(path);
  return [
    ratioRow("storage backup against tar czf", 6, create.ours, create.tar),
    size,
    ratioRow("storage backup against tar | pigz", 2.5, create.ours, create.pigz),
    ratioRow("restore and sync against tar xzf and sync", 1, restore.ours, restore.tar),
  ];
}

function createCommand(context: BenchContext, vault: string, folder: string): string[] {
  return [
    ...context.program,
    "create",
    "--type",
    "storage",
    "--vault",
    vault,
    "--storage",
    folder,
    "--no-rotate",
    "-q",
  ];
}

async function restoreSeries(context: BenchContext, vault: string, archive: string) {
  const target = join(context.scratch, "restored");
  const fresh = (): void => {
    rmSync(target, { recursive: true, force: true });
    mkdirSync(target);
  };
  const ours = [...context.program, "restore", "latest", "--vault", vault, "--target", target, "--yes", "-q"];
  const series = await interleave(context.rounds, {
    ours: async () => {
      fresh();
      return (await measureShell(`${ours.join(" ")} && sync`)).seconds;
    },
    tar: async () => {
      fresh();
      return (await measureShell(`tar xzf ${archive} -C ${target} && sync`)).seconds;
    },
  });
  rmSync(target, { recursive: true, force: true });
  return series;
}

async function textSize(context: BenchContext, textDirectory: string): Promise<Row> {
  const vault = join(context.scratch, "text-vault");
  const archive = join(context.scratch, "text.tar.gz");
  await measure(createCommand(context, vault, textDirectory));
  await measure(["tar", "czf", archive, "-C", context.scratch, "mixed/text"]);
  const ours = Number((await measureShell(`stat -c %s ${vault}/storage/*.tar.gz`)).stdout);
  const theirs = statSync(archive).size;
  removeVault(context, vault);
  rmSync(archive);
  const ratio = ours / theirs;
  return {
    what: "size of the text part against tar czf",
    target: "<= 1.03x",
    ours: `${ours} B`,
    theirs: `${theirs} B`,
    result: `${ratio.toFixed(4)}x`,
    met: ratio <= 1.03,
  };
}
