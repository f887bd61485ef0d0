/**
 * One crash run: a sandbox, an app whose generations can be told apart, and the
 * book-keeping of what may and what may not be gone after each kill.
 *
 * @module
 */

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { BackupManager } from "../../src/operations/backup-manager.ts";
import { createBackupManager } from "../../src/app/create-backup-manager.ts";
import { checkState, writeGeneration } from "./app-state.ts";
import { crashConfig } from "./config.ts";

const victimFile = fileURLToPath(new URL("victim.ts", import.meta.url));
const verbs = ["create", "create", "rotate", "restore"] as const;
type Verb = (typeof verbs)[number];

/** Enough backups that rotation has something to remove, few enough that checking all stays quick. */
const listedMax = 8;

export interface CrashSummary {
  readonly text: string;
  readonly losses: readonly string[];
}

export class CrashRun {
  readonly #sandbox: string;
  readonly #library: string;
  readonly #random: () => number;
  readonly #kills = new Map<string, number>();
  readonly #durationsMs = new Map<Verb, number>();
  readonly #losses: string[] = [];
  /** Runs that are let through first, so that it is known how long each takes: kills are spread over that. */
  readonly #calibrations: Verb[] = ["create", "create", "create", "create", "rotate", "restore", "create"];
  #generation = 0;
  #completed = 0;
  #restoredInFull = 0;
  #known = new Set<string>();

  constructor(sandbox: string, library: string, random: () => number) {
    this.#sandbox = sandbox;
    this.#library = library;
    this.#random = random;
    mkdirSync(join(sandbox, "app"), { recursive: true });
    writeGeneration(join(sandbox, "app"), 0);
  }

  /** Runs one operation, kills it somewhere (now and then not at all), and checks everything. */
  async step(): Promise<void> {
    const calibration = this.#calibrations.shift();
    const verb = calibration ?? this.#nextVerb();
    if (verb === "create") writeGeneration(join(this.#sandbox, "app"), ++this.#generation);
    const reference = this.#pick([...this.#known]) ?? "latest";
    const phase = await this.#runAndKill(verb, reference, calibration !== undefined);
    if (phase === undefined) this.#completed++;
    else this.#kills.set(`${verb}: ${phase}`, (this.#kills.get(`${verb}: ${phase}`) ?? 0) + 1);
    try {
      await this.#check(verb);
    } catch (error) {
      this.#losses.push(`${verb} killed in ${phase ?? "nothing"}: ${String(error)}`);
    }
  }

  async finish(): Promise<CrashSummary> {
    await using manager = this.#manager();
    await manager.rotateBackups({ rules: { last: 3 } });
    const listed = await manager.listBackups();
    for (const backup of listed) await this.#restoreInFull(manager, backup.id);
    const kills = [...this.#kills].toSorted(([a], [b]) => (a < b ? -1 : 1));
    const killed = kills.reduce((sum, [, count]) => sum + count, 0);
    const lines = [
      ...kills.map(([phase, count]) => `  killed in ${phase.padEnd(24)} ${count}`),
      `killed ${killed}, completed ${this.#completed}, backups restored in full ${this.#restoredInFull}, lost ${this.#losses.length}`,
      ...this.#losses,
    ];
    return { text: lines.join("\n"), losses: this.#losses };
  }

  #nextVerb(): Verb {
    if (this.#known.size < 3) return "create";
    if (this.#known.size >= listedMax) return "rotate";
    return this.#pick([...verbs]) ?? "create";
  }

  /** The phase the kill hit, or undefined where the operation ended by itself first. */
  async #runAndKill(verb: Verb, reference: string, letThrough: boolean): Promise<string | undefined> {
    const child = spawn(process.execPath, [victimFile, this.#library, this.#sandbox, verb, reference], {
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
    const typicalMs = this.#durationsMs.get(verb) ?? 0;
    const timer = letThrough
      ? undefined
      : setTimeout(() => killGroup(child), this.#random() * typicalMs * 1.1);
    const [code] = (await closed) as [number | null];
    clearTimeout(timer);
    if (code !== null) {
      if (code !== 0) throw new Error(`${verb} failed by itself: ${complaints.slice(-2000)}`);
      this.#durationsMs.set(verb, performance.now() - started);
      return undefined;
    }
    return phases.trim().split("\n").at(-1) || "start";
  }

  async #check(verb: Verb): Promise<void> {
    await using manager = this.#manager();
    // Any command recovers an interrupted restore before it does anything else.
    await manager.recoverInterruptedRestores();
    const app = join(this.#sandbox, "app");
    checkState(join(app, "app.db"), join(app, "uploads"));
    const listed = new Set((await manager.listBackups()).map((backup) => backup.id));
    const fresh = [...listed].filter((id) => !this.#known.has(id));
    // Rotation keeps the three newest; nothing else may ever make a backup vanish.
    const mayGo = verb === "rotate" ? [...this.#known].toSorted().slice(0, -3) : [];
    for (const id of this.#known)
      if (!listed.has(id) && !mayGo.includes(id)) throw new Error(`${id} is gone`);
    this.#known = listed;
    const sample = this.#pick([...listed]);
    for (const id of new Set([...fresh, ...(sample === undefined ? [] : [sample])]))
      await this.#restoreInFull(manager, id);
  }

  async #restoreInFull(manager: BackupManager, id: string): Promise<void> {
    const target = join(this.#sandbox, "restored");
    rmSync(target, { recursive: true, force: true });
    await manager.restoreBackup({ backup: id, target });
    checkState(join(target, "app.db"), join(target, "uploads"));
    await manager.discardPreviousState();
    this.#restoredInFull++;
  }

  #manager(): BackupManager {
    return createBackupManager(crashConfig(this.#sandbox));
  }

  #pick<T>(items: readonly T[]): T | undefined {
    return items[Math.floor(this.#random() * items.length)];
  }
}

/** Kills the program and the capture processes it started. */
function killGroup(child: ChildProcess): void {
  try {
    process.kill(-(child.pid ?? 0), "SIGKILL");
  } catch {
    // It ended in the same moment.
  }
}
