/**
 * Runs a victim and kills it.
 *
 * @module
 */

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import type { VictimJob } from "./config.ts";

const victimFile = fileURLToPath(new URL("victim.ts", import.meta.url));

export interface VictimEnd {
  /** The phase the kill hit; undefined where the operation ended by itself first. */
  readonly killedIn: string | undefined;
  /** What the operation took, from its start and from the moment it began to work. */
  readonly tookMs: number;
  readonly workedMs: number;
}

/** When to kill. Much of a short operation's time goes by before it touches anything. */
export interface KillMoment {
  readonly from: "start" | "work";
  readonly afterMs: number;
}

/**
 * @param moment When the operation is killed; undefined to let it through
 * @throws {Error} if the operation failed by itself
 */
export async function runAndKill(
  library: string,
  job: VictimJob,
  moment: KillMoment | undefined,
): Promise<VictimEnd> {
  const child = spawn(process.execPath, [victimFile, library, JSON.stringify(job)], {
    stdio: ["ignore", "pipe", "pipe", "ipc"],
    detached: true,
  });
  const timers: NodeJS.Timeout[] = [];
  const killFrom = (from: KillMoment["from"]): void => {
    if (moment?.from === from) timers.push(setTimeout(() => killGroup(child), moment.afterMs));
  };
  let phases = "";
  let complaints = "";
  let workedFrom: number | undefined;
  child.stdout?.on("data", (chunk: Buffer) => {
    phases += chunk.toString();
    if (workedFrom !== undefined || phases === "lock\n") return;
    workedFrom = performance.now();
    killFrom("work");
  });
  child.stderr?.on("data", (chunk: Buffer) => (complaints += chunk.toString()));
  const closed = once(child, "close");
  await Promise.race([once(child, "message"), closed]);
  const started = performance.now();
  if (child.connected) child.send("go");
  killFrom("start");
  const [code] = (await closed) as [number | null];
  for (const timer of timers) clearTimeout(timer);
  const now = performance.now();
  const times = { tookMs: now - started, workedMs: now - (workedFrom ?? started) };
  if (code === 0) return { killedIn: undefined, ...times };
  if (code !== null) throw new Error(`${job.verb} failed by itself: ${complaints.slice(-2000)}`);
  return { killedIn: phases.trim().split("\n").at(-1) || "start", ...times };
}

/** Kills the program and the capture processes it started. */
function killGroup(child: ChildProcess): void {
  try {
    process.kill(-(child.pid ?? 0), "SIGKILL");
  } catch {
    // It ended in the same moment.
  }
}
