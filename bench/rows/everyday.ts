/**
 * What people do daily: a small database there and back, a long list, one file
 * out of a large archive; and the memory of a large backup and restore.
 *
 * @module
 */

import { mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { makeMixedData } from "../data.ts";
import { interleave, measure, summarise } from "../measure.ts";
import { type BenchContext, limitRow, type Row, removeVault } from "./row.ts";

const writerFile = fileURLToPath(new URL("../writer.ts", import.meta.url));

export async function everydayRows(context: BenchContext): Promise<Row[]> {
  return [...(await smallDatabaseRows(context)), await listRow(context), ...(await largeRows(context))];
}

async function smallDatabaseRows(context: BenchContext): Promise<Row[]> {
  const path = join(context.scratch, "app.db");
  const vault = join(context.scratch, "vault");
  await measure([process.execPath, writerFile, "make", path, "10"]);
  const where = ["--vault", vault, "--database", path, "-q"];
  const series = await interleave(context.rounds, {
    create: async () =>
      (await measure([...context.program, "create", "--type", "database", "--no-rotate", ...where])).seconds,
    restore: async () =>
      (await measure([...context.program, "restore", "latest", "--yes", ...where])).seconds,
  });
  await measure([...context.program, "restore", "--discard", "--yes", ...where]);
  removeVault(context, vault);
  rmSync(path);
  return [
    limitRow("10 MB database: backup", 1, "s", series.create),
    limitRow("10 MB database: restore in place, safety backup included", 1, "s", series.restore),
  ];
}

async function listRow(context: BenchContext): Promise<Row> {
  const vault = join(context.scratch, "vault");
  await measure([
    process.execPath,
    fileURLToPath(new URL("../many-backups.ts", import.meta.url)),
    vault,
    "1000",
  ]);
  const { list } = await interleave(context.rounds, {
    list: async () => (await measure([...context.program, "list", "--vault", vault])).seconds * 1000,
  });
  removeVault(context, vault);
  return limitRow("list of 1,000 backups", 300, "ms", list, 0);
}

async function largeRows(context: BenchContext): Promise<Row[]> {
  const data = makeMixedData(join(context.scratch, "mixed"));
  const vault = join(context.scratch, "vault");
  const target = join(context.scratch, "restored");
  const create = [
    "create",
    "--type",
    "storage",
    "--vault",
    vault,
    "--storage",
    data.directory,
    "--no-rotate",
    "-q",
  ];
  const restore = ["restore", "latest", "--vault", vault, "--target", target, "--yes", "-q"];
  const one = [...restore, "--include", "mixed/text/42/note-4242.txt"];
  const fresh = (): void => {
    rmSync(target, { recursive: true, force: true });
    mkdirSync(target);
  };
  const backedUp = await measure([...context.program, ...create], { memory: true });
  fresh();
  const restored = await measure([...context.program, ...restore], { memory: true });
  const verified = await measure([...context.program, "verify", "latest", "--vault", vault, "-q"], {
    memory: true,
  });
  const single = await interleave(context.rounds, {
    one: async () => {
      fresh();
      return (await measure([...context.program, ...one])).seconds * 1000;
    },
  });
  const peaks = [backedUp, restored, verified].map((run) => run.peakBytes / 1e6);
  removeVault(context, vault);
  for (const path of [target, data.directory]) rmSync(path, { recursive: true, force: true });
  return [
    limitRow("one file out of a 1 GB archive", 500, "ms", single.one, 0),
    limitRow(
      "resident memory: create, restore, verify of 1.7 GB (worst)",
      250,
      "MB",
      summarise([Math.max(...peaks)]),
      0,
    ),
  ];
}
