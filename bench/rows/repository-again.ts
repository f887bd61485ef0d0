/**
 * Later backups into a repository: nothing changed, one file of 100,000 changed, a
 * database of which little changed; and prune. Against restic.
 *
 * @module
 */

import { spawn } from "node:child_process";
import { once } from "node:events";
import { appendFileSync, cpSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { incompressible, makeSmallFiles } from "../data.ts";
import { interleave, measure, type Series, summarise } from "../measure.ts";
import { type Contestant, ourRepository, resticRepository, storedBytes, timed } from "./contestants.ts";
import { type BenchContext, ratioRow, type Row } from "./row.ts";

/** restic waits this long between writing its lock and looking for others; we need not where listings are consistent. */
const resticLockWaitSeconds = 0.2;

export async function repositoryAgainRows(context: BenchContext): Promise<Row[]> {
  const place = join("/dev/shm", `vertex-backup-again-${process.pid}`);
  mkdirSync(place);
  try {
    return [
      ...(await smallFileRows(context, place)),
      await databaseRow(context, place),
      await pruneRow(context, place),
    ];
  } finally {
    rmSync(place, { recursive: true, force: true });
  }
}

async function smallFileRows(context: BenchContext, place: string): Promise<Row[]> {
  const folder = join(place, "small");
  makeSmallFiles(folder);
  const ours = ourRepository(context, join(place, "ours"));
  const restic = resticRepository(context, join(place, "restic"));
  for (const contestant of [ours, restic]) {
    await contestant.init();
    await timed(contestant, contestant.backup(folder));
  }
  const fixed = await fixedCosts(context, ours, restic);
  const less = (series: Series, seconds: number): Series => ({
    median: series.median - seconds,
    min: series.min - seconds,
    max: series.max - seconds,
  });
  const unchanged = await interleave(context.rounds, {
    ours: () => timed(ours, ours.backup(folder)),
    restic: () => timed(restic, restic.backup(folder)),
  });
  const inServer = await serverSeries(context, ours, folder);
  const changed = await interleave(context.rounds, {
    ours: () => afterChange(folder, () => timed(ours, ours.backup(folder))),
    restic: () => afterChange(folder, () => timed(restic, restic.backup(folder))),
  });
  rmSync(folder, { recursive: true, force: true });
  for (const { repository } of [ours, restic]) rmSync(repository, { recursive: true, force: true });
  return [
    ratioRow(
      "nothing changed in 100,000 files against restic, both without key derivation and lock wait",
      2,
      less(unchanged.ours, fixed.ours),
      less(unchanged.restic, fixed.restic),
    ),
    ratioRow("the same in a running server against the whole of restic", 5, inServer, unchanged.restic),
    ratioRow("one changed file among 100,000 against restic", 2, changed.ours, changed.restic),
  ];
}

/** Key derivation, as the difference between two commands of which only one opens the repository; and restic's lock wait. */
async function fixedCosts(
  context: BenchContext,
  ours: Contestant,
  restic: Contestant,
): Promise<{ readonly ours: number; readonly restic: number }> {
  const vault = ["--vault", ours.repository, "--password-file", join(context.scratch, "password")];
  const bare = ["restic", "--no-cache", "--no-lock", "-r", restic.repository];
  const series = await interleave(context.rounds, {
    oursOpened: () => timed(ours, [...context.program, "key", "list", ...vault]),
    oursBare: () => timed(ours, [...context.program, "--version"]),
    resticOpened: () => timed(restic, [...bare, "cat", "config"]),
    resticBare: () => timed(restic, ["restic", "version"]),
  });
  return {
    ours: series.oursOpened.median - series.oursBare.median,
    restic: series.resticOpened.median - series.resticBare.median + resticLockWaitSeconds,
  };
}

/** One process that keeps its manager, as a server does, and backs up when told to. */
async function serverSeries(context: BenchContext, ours: Contestant, folder: string): Promise<Series> {
  const script = fileURLToPath(new URL("../server.ts", import.meta.url));
  const password = join(context.scratch, "password");
  const child = spawn(process.execPath, [script, ours.repository, password, folder], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  const values: number[] = [];
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  // The first backup opens the vault, which a running server has done.
  for (let round = 0; round <= context.rounds; round++) {
    child.stdin.write("\n");
    const seconds = Number((await lines.next()).value);
    if (round > 0) values.push(seconds);
  }
  child.stdin.end();
  await once(child, "exit");
  return summarise(values);
}

let changes = 0;

async function afterChange(folder: string, work: () => Promise<number>): Promise<number> {
  appendFileSync(join(folder, "7", "item-7.json"), `change ${changes++}\n`);
  return await work();
}

/** Bytes a second backup adds after 1,000 random rows of a 1 GB database were updated. */
async function databaseRow(context: BenchContext, place: string): Promise<Row> {
  const folder = join(place, "db");
  mkdirSync(folder);
  const path = join(folder, "big.db");
  const writer = fileURLToPath(new URL("../writer.ts", import.meta.url));
  await measure([process.execPath, writer, "make-varied", path, "1000"]);
  const ours = ourRepository(context, join(place, "ours"));
  const restic = resticRepository(context, join(place, "restic"));
  const before: number[] = [];
  for (const contestant of [ours, restic]) {
    await contestant.init();
    await timed(contestant, contestant.backup(folder));
    before.push(await storedBytes(contestant));
  }
  await measure([process.execPath, writer, "update", path, "1000"]);
  const added: number[] = [];
  for (const [index, contestant] of [ours, restic].entries()) {
    await timed(contestant, contestant.backup(folder));
    added.push((await storedBytes(contestant)) - (before[index] ?? 0));
    rmSync(contestant.repository, { recursive: true, force: true });
  }
  rmSync(folder, { recursive: true, force: true });
  const [own = 0, theirs = 0] = added;
  return {
    what: "1 GB database after 1,000 random row updates: bytes added, against restic",
    target: "<= 0.1x",
    ours: `${own} B`,
    theirs: `${theirs} B`,
    result: `${(own / theirs).toFixed(3)}x`,
    met: own <= theirs / 10,
  };
}

/** 50 backups of a folder that changes, made by restic; half of them dropped; each prunes a copy. */
async function pruneRow(context: BenchContext, place: string): Promise<Row> {
  const folder = join(place, "churn");
  mkdirSync(folder);
  const made = resticRepository(context, join(place, "made"));
  await made.init();
  for (let backup = 0; backup < 50; backup++) {
    for (let file = 0; file < 8; file++) {
      writeFileSync(
        join(folder, `f${(backup * 3 + file) % 64}`),
        incompressible(1_000_000, backup * 8 + file),
      );
    }
    await timed(made, made.backup(folder));
  }
  const restic = ["restic", "--no-cache", "-q", "-r"];
  await timed(made, [...restic, made.repository, "forget", "--keep-last", "25"]);
  const ours = ourRepository(context, join(place, "ours"));
  const theirs = resticRepository(context, join(place, "restic"));
  const vault = ["--vault", ours.repository, "--password-file", join(context.scratch, "password")];
  const fresh = ({ repository }: Contestant): void => {
    rmSync(repository, { recursive: true, force: true });
    cpSync(made.repository, repository, { recursive: true });
  };
  const series = await interleave(context.rounds, {
    ours: async () => {
      fresh(ours);
      return await timed(ours, [...context.program, "prune", "--yes", "-q", ...vault]);
    },
    restic: async () => {
      fresh(theirs);
      return await timed(theirs, [...restic, theirs.repository, "prune"]);
    },
  });
  for (const path of [folder, made.repository, ours.repository, theirs.repository])
    rmSync(path, { recursive: true, force: true });
  return ratioRow("prune after dropping half of 50 backups against restic", 1, series.ours, series.restic);
}
