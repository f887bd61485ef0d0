/**
 * Runs commands and says how long they took and how much memory their whole
 * process tree held at its peak; medians, spread and ratios of repeated runs.
 *
 * @module
 */

import { spawn } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";

export interface Measured {
  readonly seconds: number;
  /** Peak of the summed resident set of the process and all its descendants, bytes. Shared pages count once per process. */
  readonly peakBytes: number;
  readonly stdout: string;
}

export interface MeasureOptions {
  /** Sample memory every 20 ms. Costs a little CPU, so off where only time counts. */
  readonly memory?: boolean;
  readonly env?: Readonly<Record<string, string>>;
  /** Exit codes that count as success. Default 0. */
  readonly exitCodes?: readonly number[];
}

const memorySampleMs = 20;

/** Runs one command to its end. @throws {Error} with its output if it fails */
export async function measure(command: readonly string[], options: MeasureOptions = {}): Promise<Measured> {
  const [file = "", ...args] = command;
  const started = performance.now();
  const child = spawn(file, args, {
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...process.env, ...options.env },
  });
  let stdout = "";
  let stderr = "";
  child.stdout.on("data", (chunk: Buffer) => (stdout += chunk.toString()));
  child.stderr.on("data", (chunk: Buffer) => (stderr += chunk.toString()));
  let peakBytes = 0;
  const sampler =
    options.memory === true && child.pid !== undefined
      ? setInterval(
          () => (peakBytes = Math.max(peakBytes, treeResidentBytes(child.pid ?? 0))),
          memorySampleMs,
        )
      : undefined;
  const code = await new Promise<number>((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (status) => resolve(status ?? -1));
  });
  clearInterval(sampler);
  const seconds = (performance.now() - started) / 1000;
  if (!(options.exitCodes ?? [0]).includes(code)) {
    throw new Error(`${command.join(" ")} ended with ${code}\n${stdout.slice(-2000)}${stderr.slice(-2000)}`);
  }
  return { seconds, peakBytes, stdout };
}

/** Runs a shell line, for pipes. */
export function measureShell(line: string, options?: MeasureOptions): Promise<Measured> {
  return measure(["bash", "-c", `set -o pipefail; ${line}`], options);
}

function treeResidentBytes(rootPid: number): number {
  const parents = new Map<number, number>();
  for (const name of readdirSync("/proc")) {
    const pid = Number(name);
    if (!Number.isInteger(pid)) continue;
    const parent = readProcessFile(pid, "stat").split(") ").at(-1)?.split(" ")[1];
    if (parent !== undefined) parents.set(pid, Number(parent));
  }
  let total = 0;
  for (const pid of parents.keys()) if (descendsFrom(pid, rootPid, parents)) total += residentBytes(pid);
  return total;
}

function descendsFrom(pid: number, rootPid: number, parents: ReadonlyMap<number, number>): boolean {
  for (let at: number | undefined = pid; at !== undefined && at > 1; at = parents.get(at))
    if (at === rootPid) return true;
  return false;
}

function residentBytes(pid: number): number {
  return Number(/VmRSS:\s+(\d+) kB/.exec(readProcessFile(pid, "status"))?.[1] ?? 0) * 1024;
}

function readProcessFile(pid: number, name: string): string {
  try {
    return readFileSync(`/proc/${pid}/${name}`, "utf8");
  } catch {
    return ""; // The process ended between the listing and the read.
  }
}

export interface Series {
  readonly median: number;
  readonly min: number;
  readonly max: number;
}

export function summarise(values: readonly number[]): Series {
  const sorted = values.toSorted((a, b) => a - b);
  const at = (index: number): number => sorted[index] ?? Number.NaN;
  return { median: at(Math.floor(sorted.length / 2)), min: at(0), max: at(sorted.length - 1) };
}

/**
 * Runs all contestants one after the other, `rounds` times over, so that a slow minute hurts each
 * alike. Before each the disk is let come to rest, so that none pays for what another left unwritten.
 */
export async function interleave<K extends string>(
  rounds: number,
  contestants: Readonly<Record<K, () => Promise<number>>>,
): Promise<Record<K, Series>> {
  const names = Object.keys(contestants) as K[];
  const values = Object.fromEntries(names.map((name) => [name, [] as number[]])) as Record<K, number[]>;
  for (let round = 0; round < rounds; round++) {
    for (const name of names) {
      await measure(["sync"]);
      values[name].push(await contestants[name]());
    }
  }
  return Object.fromEntries(names.map((name) => [name, summarise(values[name])])) as Record<K, Series>;
}
