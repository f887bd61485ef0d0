/**
 * What the running process knows about its machine: host, start of the kernel,
 * pid namespace and the processes beside it. From /proc on Linux; elsewhere, or
 * where /proc is not there, only what signal 0 tells.
 *
 * @module
 */

import { readFileSync, readlinkSync } from "node:fs";
import { hostname } from "node:os";
import type { ThisMachine } from "../domain/run-owner.ts";

/** Describes the running process and lets it look up others. Never fails: what cannot be read stays unknown. */
export function readThisMachine(): ThisMachine {
  // In some containers /proc shows another pid namespace; its numbers are not ours then.
  const processes = attempt(() => readlinkSync("/proc/self")) === String(process.pid);
  return {
    owner: {
      host: hostname(),
      bootId: attempt(() => readFileSync("/proc/sys/kernel/random/boot_id", "latin1").trim()) ?? "",
      pid: process.pid,
      pidNamespace: readPidNamespace(processes),
      startedTicks: (processes ? readProcess(process.pid)?.startedTicks : undefined) ?? "",
    },
    startTicksOf(pid: number): string | undefined {
      if (!processExists(pid)) return undefined;
      if (!processes) return "";
      // Mounted with hidepid, /proc does not show processes of other users although they run.
      const found = readProcess(pid);
      if (found === undefined) return processExists(pid) ? "" : undefined;
      return found.ended ? undefined : found.startedTicks;
    },
  };
}

function readPidNamespace(processes: boolean): string {
  // Only Linux divides its pids into namespaces.
  if (process.platform !== "linux") return process.platform;
  const link = processes ? attempt(() => readlinkSync("/proc/self/ns/pid")) : undefined;
  return /^pid:\[(\d+)\]$/.exec(link ?? "")?.[1] ?? "";
}

function processExists(pid: number): boolean {
  // 0 and negative numbers mean groups to kill(2).
  if (!Number.isSafeInteger(pid) || pid <= 0) return false;
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    // EPERM: it is there and belongs to somebody else.
    return (error as NodeJS.ErrnoException).code !== "ESRCH";
  }
}

interface ProcessStat {
  readonly startedTicks: string;
  /** All of its threads ended; it only waits for its parent to take notice, in some containers for ever. */
  readonly ended: boolean;
}

/** Linux proc_pid_stat(5): state is field 3, num_threads 20, starttime 22. The name (2) may hold blanks and brackets. */
function readProcess(pid: number): ProcessStat | undefined {
  const text = attempt(() => readFileSync(`/proc/${pid}/stat`, "latin1"));
  if (text === undefined) return undefined;
  const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
  const [state, threads, startedTicks] = [fields[0], fields[17], fields[19]];
  if (state === undefined || threads === undefined || !/^\d+$/.test(startedTicks ?? "")) return undefined;
  return {
    startedTicks: startedTicks ?? "",
    ended: (state === "Z" || state === "X") && Number(threads) <= 1,
  };
}

function attempt<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch {
    return undefined;
  }
}
