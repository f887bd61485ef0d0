/**
 * Live databases of 1 GB: does a capture finish under a writer, what does the
 * writer keep, how long does it wait, and how long does the backup take.
 *
 * @module
 */

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { rmSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { interleave, measure, measureShell, summarise } from "../measure.ts";
import { type BenchContext, limitRow, type Row, removeVault, seconds } from "./row.ts";

const writerFile = fileURLToPath(new URL("../writer.ts", import.meta.url));
const wantedCommitsPerSecond = 300;

/** What the writer counted in one stretch of time. */
interface WriterReport {
  readonly commits: number;
  readonly longestWaitMs: number;
}

export async function databaseRows(context: BenchContext): Promise<Row[]> {
  const path = join(context.scratch, "big.db");
  await measure([process.execPath, writerFile, "make", path, "1000"]);
  const wal = await walRows(context, path);
  await measure(["sqlite3", path, "PRAGMA journal_mode=delete"]);
  const rollback = await rollbackRow(context, path);
  rmSync(path, { force: true });
  return [...wal, rollback];
}

async function walRows(context: BenchContext, path: string): Promise<Row[]> {
  const kept: number[] = [];
  const copy = join(context.scratch, "copy.db");
  await measureShell(`cat ${path} > /dev/null`);
  const writer = await startWriter(path, wantedCommitsPerSecond);
  const series = await interleave(context.rounds, {
    ours: async () => {
      const before = await writer.observe(() => new Promise((resolve) => setTimeout(resolve, 1500)));
      let took = 0;
      const during = await writer.observe(async () => {
        took = await createOnce(context, path);
      });
      kept.push(during.commits / took / (before.commits / 1.5));
      return took;
    },
    theirs: async () => {
      // Such a copy of a live database can be torn, and its check end early: then theirs is the faster for it.
      const check = `{ sqlite3 ${copy} 'PRAGMA quick_check' > /dev/null 2>&1 || true; }`;
      const took = (await measureShell(`cp ${path} ${copy} && ${check}`)).seconds;
      rmSync(copy, { force: true });
      return took;
    },
  });
  await writer.stop();
  const share = summarise(kept);
  const ratio = series.ours.median / series.theirs.median;
  return [
    {
      what: "1 GB WAL database under 300 commits/s against cp + quick_check",
      target: "<= 1.5x",
      ours: seconds(series.ours),
      theirs: seconds(series.theirs),
      result: `${ratio.toFixed(2)}x`,
      met: ratio <= 1.5,
    },
    {
      what: "the same: share of its commits the writer keeps",
      target: ">= 0.65",
      ours: `${share.median.toFixed(2)} (${share.min.toFixed(2)} to ${share.max.toFixed(2)})`,
      theirs: "",
      result: share.median.toFixed(2),
      met: share.median >= 0.65,
    },
  ];
}

async function rollbackRow(context: BenchContext, path: string): Promise<Row> {
  const waits: number[] = [];
  const writer = await startWriter(path, wantedCommitsPerSecond);
  for (let round = 0; round < context.rounds; round++) {
    waits.push((await writer.observe(() => createOnce(context, path))).longestWaitMs / 1000);
  }
  await writer.stop();
  return limitRow("1 GB rollback-mode database: writer's longest wait", 1, "s", summarise(waits));
}

async function createOnce(context: BenchContext, path: string): Promise<number> {
  const vault = join(context.scratch, "vault");
  removeVault(context, vault);
  const create = ["create", "--type", "database", "--vault", vault, "--database", path, "--no-rotate", "-q"];
  const took = (await measure([...context.program, ...create])).seconds;
  removeVault(context, vault);
  return took;
}

interface Writer {
  /** What the writer did while `work` ran. */
  observe(work: () => Promise<unknown>): Promise<WriterReport>;
  stop(): Promise<void>;
}

async function startWriter(path: string, commitsPerSecond: number): Promise<Writer> {
  const child = spawn(process.execPath, [writerFile, "write", path, String(commitsPerSecond)], {
    stdio: ["ignore", "inherit", "inherit", "ipc"],
  });
  await once(child, "message");
  return {
    async observe(work) {
      await ask(child);
      await work();
      return ask(child);
    },
    async stop() {
      child.disconnect();
      await once(child, "exit");
    },
  };
}

/** Asks for the counts since the last question. */
async function ask(child: ChildProcess): Promise<WriterReport> {
  child.send("report");
  const [report] = (await once(child, "message")) as [WriterReport];
  return report;
}
