/**
 * Captures small databases under full-speed writers, in every journal mode and
 * several page sizes, and checks the laws of the data in each image.
 *
 *   node scripts/torture.ts [--captures 1000] [--seed N]
 *
 * Exit code 1 if one image is bad, or if the negative control (a plain copy of
 * the file under the same writers) finds nothing to object to.
 *
 * @module
 */

import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import { byteStringFromText } from "../src/domain/byte-string.ts";
import type { CaptureOutcome } from "../src/source/capture/capture.ts";
import { type DatabaseCapturer, openDatabaseCapturer } from "../src/source/capture/database-capturer.ts";
import { brokenLaws, createBank, type JournalMode, journalModes, pageSizes } from "../test/torture/bank.ts";
import { startWriter, type Writer } from "../test/torture/writers.ts";

/** Modes in which a killed app leaves a database that can be recovered. */
const recoverable: ReadonlySet<JournalMode> = new Set(["wal", "delete", "truncate", "persist"]);
const shellLimitMs = 5_000;

/** A writer that commits nothing for so long has ended. */
const commitLimitMs = 60_000;

interface Tally {
  captures: number;
  bad: number;
  milliseconds: number;
  readonly methods: Map<string, number>;
}

const { values } = parseArgs({
  options: { captures: { type: "string", default: "1000" }, seed: { type: "string", default: "1" } },
});
const random = randomFrom(Number(values.seed));
const folder = mkdtempSync(join(tmpdir(), "vertex-torture-"));
process.exitCode = (await run(Number(values.captures))) ? 0 : 1;
rmSync(folder, { recursive: true, force: true });

async function run(captures: number): Promise<boolean> {
  const started = performance.now();
  const combinations = journalModes.flatMap((mode) => pageSizes.map((pageSize) => ({ mode, pageSize })));
  const each = Math.ceil(captures / combinations.length);
  const tallies = new Map<string, Tally>();
  const control = { copies: 0, broken: 0 };
  await using capturer = await openDatabaseCapturer();
  for (const { mode, pageSize } of combinations) {
    const path = join(folder, `${mode}-${pageSize}.db`);
    createBank(path, mode, pageSize);
    const tally = tallyFor(tallies, mode);
    for (let done = 0; done < each; )
      done += await round(capturer, path, mode, Math.min(each - done, 14), tally, control);
  }
  printTallies(tallies);
  const all = [...tallies.values()];
  const bad = all.reduce((sum, tally) => sum + tally.bad, 0);
  const made = all.reduce((sum, tally) => sum + tally.captures, 0);
  const seconds = ((performance.now() - started) / 1000).toFixed(0);
  console.log(`${made} captures in ${seconds} s, ${bad} bad (seed ${values.seed})`);
  console.log(`negative control: ${control.broken} of ${control.copies} plain copies broke the laws`);
  console.log(await shellControl());
  return bad === 0 && made >= captures && control.broken > 0;
}

/** One writer's life: some captures while it writes, and one after it was killed. */
async function round(
  capturer: DatabaseCapturer,
  path: string,
  mode: JournalMode,
  captures: number,
  tally: Tally,
  control: { copies: number; broken: number },
): Promise<number> {
  const reopenEvery = random() < 0.5 ? 0 : 50 + Math.floor(random() * 400);
  const writer = await startWriter({ path, journalMode: mode, perSecond: 0, reopenEvery });
  for (let i = 1; i < captures; i++) {
    await captureAndCheck(capturer, path, tally);
    await sleep(random() * 10);
  }
  await plainCopy(path, writer, control);
  if (recoverable.has(mode)) await writer.kill();
  await captureAndCheck(capturer, path, tally);
  await stop(writer, path, mode);
  return captures;
}

async function captureAndCheck(capturer: DatabaseCapturer, path: string, tally: Tally): Promise<void> {
  const imagePath = join(folder, "image.db");
  const started = performance.now();
  const outcome = await capturer.capture(
    {
      path: byteStringFromText(path),
      imagePath,
      trust: random() < 0.5 ? "declared" : "found",
      check: "quick_check",
      busyTimeoutMs: 30_000,
    },
    () => undefined,
    new AbortController().signal,
  );
  tally.milliseconds += performance.now() - started;
  tally.captures++;
  const broken = problemsOf(outcome, imagePath);
  if (broken.length > 0) {
    tally.bad++;
    console.error(`BAD ${path}: ${broken.join("; ")}`);
  }
  const method = outcome.outcome === "captured" ? outcome.image.method : `refused: ${outcome.reason}`;
  tally.methods.set(method, (tally.methods.get(method) ?? 0) + 1);
  rmSync(imagePath, { force: true });
}

function problemsOf(outcome: CaptureOutcome, imagePath: string): string[] {
  if (outcome.outcome === "refused") return [outcome.message];
  const laws = brokenLaws(imagePath);
  return outcome.image.check.ok ? laws : [...laws, ...outcome.image.check.messages];
}

/** Half of it before a commit and half after, as any plain copy may be: on one core a quick one hardly ever was. */
async function plainCopy(
  path: string,
  writer: Writer,
  control: { copies: number; broken: number },
): Promise<void> {
  const copyPath = join(folder, "copy.db");
  const early = readFileSync(path);
  const before = writer.commits;
  const deadline = performance.now() + commitLimitMs;
  while (writer.commits === before && performance.now() < deadline) await sleep(10);
  const late = readFileSync(path);
  const half = early.length >> 1;
  writeFileSync(copyPath, Buffer.concat([early.subarray(0, half), late.subarray(half)]));
  control.copies++;
  if (brokenLaws(copyPath).length > 0) control.broken++;
  rmSync(copyPath);
}

/** A database that a mode without a journal left half-written is not recoverable: it starts anew. */
async function stop(writer: Writer, path: string, mode: JournalMode): Promise<void> {
  await writer.kill();
  if (recoverable.has(mode)) return;
  const pageSize = Number(/(\d+)\.db$/.exec(path)?.[1]);
  for (const suffix of ["", "-journal"]) rmSync(`${path}${suffix}`, { force: true });
  createBank(path, mode, pageSize);
}

/** What the SQLite shell does with the same task: its backup starts again with every commit. */
async function shellControl(): Promise<string> {
  const path = join(folder, "shell.db");
  createBank(path, "wal", 4096, 40_000_000);
  await using writer = await startWriter({ path, journalMode: "wal", perSecond: 300, reopenEvery: 0 });
  const before = writer.commits;
  const started = performance.now();
  const shell = spawn("sqlite3", [path, `.backup '${join(folder, "shell-image.db")}'`], { stdio: "ignore" });
  const ended = once(shell, "exit").then(
    () => "ended",
    () => "absent",
  );
  const result = await Promise.race([ended, sleep(shellLimitMs, "limit")]);
  const seconds = ((performance.now() - started) / 1000).toFixed(1);
  shell.kill("SIGKILL");
  if (result === "absent") return "sqlite3 is not installed (Debian: sqlite3); its .backup was not tried";
  const commits = `${writer.commits - before} commits, database of ${(statSync(path).size / 1e6).toFixed(0)} MB`;
  const state = result === "limit" ? `did not end in ${seconds} s` : `ended after ${seconds} s`;
  return `sqlite3 .backup under a writer held at 300 commits/s: ${state} (${commits})`;
}

function tallyFor(tallies: Map<string, Tally>, mode: string): Tally {
  const tally = tallies.get(mode) ?? { captures: 0, bad: 0, milliseconds: 0, methods: new Map() };
  tallies.set(mode, tally);
  return tally;
}

function printTallies(tallies: ReadonlyMap<string, Tally>): void {
  console.log("mode      captures   bad   ms each   methods");
  for (const [mode, tally] of tallies) {
    const methods = [...tally.methods].map(([name, count]) => `${name} ${count}`).join(", ");
    const mean = (tally.milliseconds / tally.captures).toFixed(0);
    const columns = [mode.padEnd(9), String(tally.captures).padStart(9), String(tally.bad).padStart(5)];
    console.log(`${columns.join(" ")} ${mean.padStart(9)}   ${methods}`);
  }
}

/** Mulberry32: the same seed gives the same run, as far as two processes allow. */
function randomFrom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}
