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
  /** From its start on the operation. */
  readonly tookMs: number;
}

/**
 * @param killAfterMs When the operation is killed; undefined to let it through
 * @throws {Error} if the operation failed by itself
 */
export async function runAndKill(
  library: string,
  job: VictimJob,
  killAfterMs: number | undefined,
): Promise<VictimEnd> {
  const child = spawn(process.execPath, [victimFile, library, JSON.stringify(job)], {
    stdio: ["ignore", "pipe", "pipe", "ipc"],
    detached: true,
  });
  let phases = "";
  let complaints = "";
  child.stdout?.on("data", (chunk: Buffer) => (phases += chunk.toString()));
  child.stderr?.on("data", (chunk: Buffer) => (complaints += chunk.toString()));
  const closed = once(child, "close");
  await Promise.race([once(child, "message"), closed]);
  const started = performance.now();
  if (child.connected) child.send("go");
  const timer = killAfterMs === undefined ? undefined : setTimeout(() => killGroup(child), killAfterMs);
  const [code] = (await closed) as [number | null];
  clearTimeout(timer);
  const tookMs = performance.now() - started;
  if (code === 0) return { killedIn: undefined, tookMs };
  if (code !== null) throw new Error(`${job.verb} failed by itself: ${complaints.slice(-2000)}`);
  return { killedIn: phases.trim().split("\n").at(-1) || "start", tookMs };
}

/** Kills the program and the capture processes it started. */
function killGroup(child: ChildProcess): void {
  try {
    process.kill(-(child.pid ?? 0), "SIGKILL");
  } catch {
    // It ended in the same moment.
  }
}
