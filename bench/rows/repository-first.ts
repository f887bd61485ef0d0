/**
 * First backup into a repository, its stored size, the restore of it and the
 * verification of all its bytes, against restic: in memory (tmpfs) and on disk.
 *
 * @module
 */

import { mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { makeMixedData } from "../data.ts";
import { interleave, measureShell, type Series } from "../measure.ts";
import {
  borgRepository,
  type Contestant,
  ourRepository,
  resticRepository,
  storedBytes,
  timed,
} from "./contestants.ts";
import { type BenchContext, ratioRow, type Row } from "./row.ts";

export async function repositoryRows(context: BenchContext): Promise<Row[]> {
  const inMemory = await placeRows(context, "/dev/shm", { first: 1.6, restore: 1.5 });
  const onDisk = await placeRows(context, context.scratch, { first: 1.5, restore: 1 });
  return [...inMemory, ...onDisk];
}

interface Wanted {
  readonly first: number;
  readonly restore: number;
}

async function placeRows(context: BenchContext, parent: string, wanted: Wanted): Promise<Row[]> {
  const place = join(parent, `vertex-backup-bench-${process.pid}`);
  const where = parent === "/dev/shm" ? "tmpfs" : "disk";
  mkdirSync(place);
  try {
    const data = makeMixedData(join(place, "mixed"));
    const contestants = {
      ours: ourRepository(context, join(place, "ours")),
      restic: resticRepository(context, join(place, "restic")),
      borg: borgRepository(context, join(place, "borg")),
    };
    const first = await firstBackups(context, contestants, data.directory);
    const rows = [
      ratioRow(`first backup against restic, ${where}`, wanted.first, first.ours, first.restic),
      ratioRow(`first backup against borg, ${where}`, 1, first.ours, first.borg),
      await sizeRow(`stored size against restic, ${where}`, 1.02, contestants),
      await restoreRow(context, contestants, join(place, "restored"), wanted.restore, where),
    ];
    if (where === "tmpfs") {
      rows.push(await readDataRow(context, contestants));
      rows.push(await textRow(contestants, data.textDirectory));
    }
    return rows;
  } finally {
    rmSync(place, { recursive: true, force: true });
  }
}

type Contestants = Readonly<Record<"ours" | "restic" | "borg", Contestant>>;

async function firstBackups(
  context: BenchContext,
  { ours, restic, borg }: Contestants,
  folder: string,
): Promise<Record<"ours" | "restic" | "borg", Series>> {
  const run = async (contestant: Contestant): Promise<number> => {
    await contestant.init();
    // borg has the system forget what it read: whoever came after it would read from the disk, alone of all.
    await measureShell(`tar cf - ${folder} | cat > /dev/null`);
    return await timed(contestant, contestant.backup(folder));
  };
  return await interleave(context.rounds, {
    ours: () => run(ours),
    restic: () => run(restic),
    borg: () => run(borg),
  });
}

async function sizeRow(
  what: string,
  limit: number,
  { ours, restic }: Pick<Contestants, "ours" | "restic">,
): Promise<Row> {
  const [own, theirs] = [await storedBytes(ours), await storedBytes(restic)];
  const ratio = own / theirs;
  return {
    what,
    target: `<= ${limit}x`,
    ours: `${own} B`,
    theirs: `${theirs} B`,
    result: `${ratio.toFixed(4)}x`,
    met: ratio <= limit,
  };
}

async function restoreRow(
  context: BenchContext,
  { ours, restic }: Contestants,
  target: string,
  wanted: number,
  where: string,
): Promise<Row> {
  const run = async (contestant: Contestant): Promise<number> => {
    rmSync(target, { recursive: true, force: true });
    mkdirSync(target);
    const sync = where === "disk" ? " && sync" : "";
    const line = `${contestant.restore(target).join(" ")}${sync}`;
    return (await measureShell(line, { env: contestant.env })).seconds;
  };
  const series = await interleave(context.rounds, { ours: () => run(ours), restic: () => run(restic) });
  rmSync(target, { recursive: true, force: true });
  const what = where === "disk" ? "restore and sync against restic, disk" : "restore against restic, tmpfs";
  return ratioRow(what, wanted, series.ours, series.restic);
}

async function readDataRow(context: BenchContext, { ours, restic }: Contestants): Promise<Row> {
  const password = join(context.scratch, "password");
  const vault = ["--vault", ours.repository, "--password-file", password];
  const series = await interleave(context.rounds, {
    ours: () => timed(ours, [...context.program, "verify", "--read-data", "-q", ...vault]),
    restic: () =>
      timed(restic, ["restic", "--no-cache", "-q", "-r", restic.repository, "check", "--read-data"]),
  });
  return ratioRow(
    "verification of all bytes against restic check --read-data",
    1.3,
    series.ours,
    series.restic,
  );
}

async function textRow({ ours, restic }: Contestants, folder: string): Promise<Row> {
  for (const contestant of [ours, restic]) {
    await contestant.init();
    await timed(contestant, contestant.backup(folder));
  }
  return await sizeRow("stored size of the text part against restic", 1.05, { ours, restic });
}
