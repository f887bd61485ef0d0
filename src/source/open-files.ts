/**
 * Finds the processes that have a file open, so that a database is not replaced
 * under an application that goes on writing to the old one.
 *
 * @module
 */

import { type BigIntStats, readdirSync, readlinkSync, realpathSync, statSync } from "node:fs";

export interface Openers {
  /** Processes that have the file open, this one included if it has. */
  readonly pids: readonly number[];
  /**
   * False where some process could not be looked at: only root sees all. Processes outside
   * this container are never seen, and nothing tells that they are there.
   */
  readonly complete: boolean;
}

/**
 * Looks through the open files of all processes for this one: by what it is, which finds it
 * under any name and through any mount, and by its name, which finds processes that hold a
 * deleted predecessor. Takes a few milliseconds per hundred processes.
 *
 * @param path Absolute; a file that is not there can still be open under its old name.
 */
export function findOpeners(path: string, procPath = "/proc"): Openers {
  const pids = numericNames(procPath);
  if (pids === undefined) return { pids: [], complete: false };
  const wanted = wantedFile(path);
  const found: number[] = [];
  // Under hidepid the processes of others are not even listed.
  let complete = process.geteuid?.() === 0;
  for (const pid of pids) {
    const answer = hasOpen(`${procPath}/${pid}`, wanted);
    if (answer === "open") found.push(pid);
    else if (answer === "unknown") complete = false;
  }
  return { pids: found, complete };
}

/** Whether a process has just this file open, under whatever name; "unknown" where it may not be looked at. */
export function hasFileOpen(
  pid: number,
  stats: BigIntStats,
  procPath = "/proc",
): "open" | "closed" | "unknown" {
  return hasOpen(`${procPath}/${pid}`, { stats, links: new Set() });
}

interface WantedFile {
  readonly stats: BigIntStats | undefined;
  /** How the link to an open file reads, for the file and for one that was deleted. */
  readonly links: ReadonlySet<string>;
}

function wantedFile(path: string): WantedFile {
  const stats = statSync(path, { bigint: true, throwIfNoEntry: false });
  const real = stats === undefined ? path : realpathSync(path);
  return { stats, links: new Set([path, real].flatMap((name) => [name, `${name} (deleted)`])) };
}

function hasOpen(processPath: string, wanted: WantedFile): "open" | "closed" | "unknown" {
  try {
    const descriptors = readdirSync(`${processPath}/fd`);
    return descriptors.some((descriptor) => isFile(`${processPath}/fd/${descriptor}`, wanted))
      ? "open"
      : "closed";
  } catch (error) {
    // It ended meanwhile, or it is not ours to look at.
    const { code } = error as NodeJS.ErrnoException;
    return code === "ENOENT" || code === "ESRCH" ? "closed" : "unknown";
  }
}

function isFile(linkPath: string, wanted: WantedFile): boolean {
  try {
    // Pipes and sockets read as "socket:[123]"; only paths are worth a stat.
    const link = readlinkSync(linkPath);
    if (!link.startsWith("/")) return false;
    if (wanted.links.has(link)) return true;
    if (wanted.stats === undefined) return false;
    const stats = statSync(linkPath, { bigint: true });
    return stats.ino === wanted.stats.ino && stats.dev === wanted.stats.dev;
  } catch {
    return false;
  }
}

function numericNames(procPath: string): number[] | undefined {
  try {
    return readdirSync(procPath)
      .filter((name) => /^\d+$/.test(name))
      .map(Number);
  } catch {
    return undefined;
  }
}
