/**
 * One crash run: a sandbox, an app whose generations can be told apart, and the
 * book-keeping of what may and what may not be gone after each kill.
 *
 * @module
 */

import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { isBackupError } from "../../src/domain/error.ts";
import type { VaultFormat } from "../../src/vault/vault.ts";
import { checkState, writeGeneration } from "./app-state.ts";
import type { Verb } from "./config.ts";
import { type KillMoment, runAndKill } from "./kill-process.ts";
import { checkWithRestic, openCheapVault } from "./repository-place.ts";
import { VaultLedger } from "./vault-ledger.ts";

/** What is done, the more often the more it is named. */
const verbsOf: Readonly<Record<VaultFormat, readonly Verb[]>> = {
  archive: ["create", "create", "rotate", "restore"],
  repository: ["create", "create", "rotate", "prune", "prune", "passwd", "copy in", "copy out", "restore"],
};

/** Runs that are let through first, so that it is known how long each takes: kills are spread over that. */
const calibrationsOf: Readonly<Record<VaultFormat, readonly Verb[]>> = {
  archive: ["create", "create", "create", "create", "rotate", "restore", "create"],
  repository: ["create", "create", "create", "copy out", "rotate", "prune", "passwd", "copy in", "restore"],
};

/** Enough backups that rotation has something to remove, few enough that checking all stays quick. */
const listedMax = 8;
const copiesMax = 10;

/** Backups of another vault that are copied in. */
const strangers = 2;

export interface CrashSummary {
  readonly text: string;
  readonly losses: readonly string[];
}

export class CrashRun {
  readonly #format: VaultFormat;
  readonly #sandbox: string;
  readonly #library: string;
  readonly #random: () => number;
  readonly #kills = new Map<string, number>();
  /** What each operation took last that was let through. */
  readonly #durationsMs = new Map<Verb, Readonly<Record<KillMoment["from"], number>>>();
  readonly #losses: string[] = [];
  readonly #calibrations: Verb[];
  /** The vault that everything is done to. */
  readonly #main: VaultLedger;
  /** A repository that is copied to, and a vault of archives that is copied from. */
  readonly #copies: VaultLedger;
  readonly #archives: VaultLedger;
  #generation = 0;
  #passwords = 0;
  #completed = 0;
  #prunes = 0;

  private constructor(format: VaultFormat, sandbox: string, library: string, random: () => number) {
    this.#format = format;
    this.#sandbox = sandbox;
    this.#library = library;
    this.#random = random;
    this.#calibrations = [...calibrationsOf[format]];
    const ledger = (name: string, vault: VaultFormat): VaultLedger =>
      new VaultLedger(sandbox, { name, format: vault, password: `password of ${name}` });
    this.#main = ledger("backups", format);
    this.#copies = ledger("copies", "repository");
    this.#archives = ledger("archives", "archive");
  }

  /** @param library The entry of the build that is killed */
  static async open(
    format: VaultFormat,
    sandbox: string,
    library: string,
    random: () => number,
  ): Promise<CrashRun> {
    const run = new CrashRun(format, sandbox, library, random);
    mkdirSync(join(sandbox, "app"), { recursive: true });
    writeGeneration(join(sandbox, "app"), 0);
    if (format === "repository") await run.#makeRepositories();
    return run;
  }

  /** Runs one operation, kills it somewhere (now and then not at all), and checks everything. */
  async step(): Promise<void> {
    const calibration = this.#calibrations.shift();
    const verb = calibration ?? this.#nextVerb();
    if (verb === "create") this.#changeApp();
    const newPassword = `password ${++this.#passwords}`;
    const job = {
      ...{ sandbox: this.#sandbox, verb, newPassword },
      vault: this.#main.vault,
      other: (verb === "copy in" ? this.#archives : this.#copies).vault,
      reference: this.#pick(this.#main.ids) ?? "latest",
    };
    const moment = calibration === undefined ? this.#someMoment(verb) : undefined;
    const end = await runAndKill(this.#library, job, moment);
    const phase = end.killedIn;
    if (phase === undefined) {
      this.#completed++;
      this.#durationsMs.set(verb, { start: end.tookMs, work: end.workedMs });
    } else this.#kills.set(`${verb}: ${phase}`, (this.#kills.get(`${verb}: ${phase}`) ?? 0) + 1);
    try {
      if (verb === "passwd") await this.#findPassword(newPassword, phase === undefined);
      await this.#check(verb);
    } catch (error) {
      this.#losses.push(`${verb} killed in ${phase ?? "nothing"}: ${String(error)}`);
    }
  }

  async finish(): Promise<CrashSummary> {
    const ledgers = this.#format === "archive" ? [this.#main] : [this.#main, this.#copies, this.#archives];
    const notes: string[] = [];
    for (const ledger of ledgers) {
      try {
        notes.push(...(await this.#finishVault(ledger)));
      } catch (error) {
        this.#losses.push(`at the end, ${ledger.vault.name}: ${String(error)}`);
      }
    }
    const kills = [...this.#kills].toSorted(([a], [b]) => (a < b ? -1 : 1));
    const killed = kills.reduce((sum, [, count]) => sum + count, 0);
    const restored = ledgers.reduce((sum, ledger) => sum + ledger.restored, 0);
    const lines = [
      ...kills.map(([phase, count]) => `  killed in ${phase.padEnd(24)} ${count}`),
      ...new Set(notes),
      `${this.#format}: killed ${killed}, completed ${this.#completed}, backups restored in full ${restored}, lost ${this.#losses.length}`,
      ...this.#losses,
    ];
    return { text: lines.join("\n"), losses: this.#losses };
  }

  async #makeRepositories(): Promise<void> {
    for (const { vault } of [this.#main, this.#copies]) {
      const folder = join(this.#sandbox, vault.name);
      await (await openCheapVault(folder, vault.password, true, this.#library))[Symbol.asyncDispose]();
    }
    await using manager = this.#archives.manager();
    for (let i = 0; i < strangers; i++) {
      this.#changeApp();
      await manager.createBackup({ rotate: false });
    }
    await this.#archives.check(manager, false, undefined);
  }

  #changeApp(): void {
    writeGeneration(join(this.#sandbox, "app"), ++this.#generation);
  }

  #nextVerb(): Verb {
    if (this.#main.counted < 3) return "create";
    if (this.#main.counted >= listedMax) return "rotate";
    return this.#pick(verbsOf[this.#format]) ?? "create";
  }

  #someMoment(verb: Verb): KillMoment {
    const from = this.#random() < 0.4 ? "start" : "work";
    const typicalMs = this.#durationsMs.get(verb)?.[from] ?? 0;
    return { from, afterMs: this.#random() * typicalMs * 1.1 };
  }

  /** After a change of passwords one of both opens the vault; the old one no more, once it was through. */
  async #findPassword(wanted: string, isThrough: boolean): Promise<void> {
    const old = this.#main.vault.password;
    const opened = await this.#opens(wanted);
    if (isThrough && (!opened || (await this.#opens(old))))
      throw new Error("the password was changed, and is not");
    if (!opened) return;
    this.#main.usePassword(wanted);
    await using manager = this.#main.manager();
    // What was cut short may leave both; too many keys would make a vault slow to open.
    for (const { id, current } of await manager.maintenance.listKeys())
      if (!current) await manager.maintenance.removeKey({ key: id });
  }

  async #opens(password: string): Promise<boolean> {
    const { vault } = this.#main;
    try {
      const opened = await openCheapVault(join(this.#sandbox, vault.name), password, false, this.#library);
      await opened[Symbol.asyncDispose]();
      return true;
    } catch (error) {
      if (isBackupError(error, "wrong-password") || (error as { kind?: string }).kind === "wrong-password")
        return false;
      throw error;
    }
  }

  async #check(verb: Verb): Promise<void> {
    await using manager = this.#main.manager();
    // Any command recovers an interrupted restore before it does anything else.
    await manager.recoverInterruptedRestores();
    const app = join(this.#sandbox, "app");
    checkState(join(app, "app.db"), join(app, "uploads"));
    await this.#main.check(manager, verb === "rotate", this.#pick(this.#main.ids));
    if (this.#format === "archive") return;
    if (verb === "copy out") await this.#checkCopies();
    if (verb === "prune" || this.#random() < 0.2) {
      await manager.maintenance.prune({ maxUnusedPercent: 0 });
      this.#prunes++;
      await this.#main.check(manager, false, this.#pick(this.#main.ids));
    }
  }

  async #checkCopies(): Promise<void> {
    await using manager = this.#copies.manager();
    await this.#copies.check(manager, false, this.#pick(this.#copies.ids));
    if (this.#copies.counted < copiesMax) return;
    await manager.rotateBackups({ rules: { last: 3 } });
    await this.#copies.check(manager, true, undefined);
  }

  async #finishVault(ledger: VaultLedger): Promise<readonly string[]> {
    await using manager = ledger.manager();
    await manager.rotateBackups({ rules: { last: 3 } });
    await ledger.check(manager, true, undefined);
    const { vault } = ledger;
    if (vault.format === "repository") {
      await manager.maintenance.prune({ maxUnusedPercent: 0 });
      const { remaining } = await manager.maintenance.unlock();
      if (remaining.length > 0) throw new Error(`${remaining.length} locks of killed runs remain`);
      const { ok } = await manager.verifyBackup({ readData: "all" });
      if (!ok) throw new Error("verify finds damage");
    }
    for (const id of ledger.ids) await ledger.restoreInFull(manager, id);
    if (vault.format === "archive") return [];
    const found = checkWithRestic(join(this.#sandbox, vault.name), vault.password);
    if (found === undefined) return ["restic is not installed: its check --read-data was left out"];
    if (found !== "") throw new Error(found);
    return [
      `restic check --read-data finds nothing wrong; ${this.#prunes} prunes ran to their end after kills`,
    ];
  }

  #pick<T>(items: readonly T[]): T | undefined {
    return items[Math.floor(this.#random() * items.length)];
  }
}
