/**
 * Keeps restore journals in the state directory: one JSON file a restore, beside
 * it a lock that its owner holds for as long as it works on it.
 *
 * @module
 */

import { hash } from "node:crypto";
import { mkdir, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { BackupError } from "../../domain/error.ts";
import type { RestoreJournal } from "./restore-journal.ts";
import { tryLockFile } from "./restore-journal-lock.ts";
import { journalDirectory, journalIds } from "./restore-journal-names.ts";
import type { SwapDisk } from "./swap-disk.ts";

/** From 2 on with a checksum: the paths in it are those of trees that are moved and deleted. */
const formatVersion = 2;

/** Held for a few file writes at most, so whoever waits longer waits for something that hangs. */
const mutexWaitMs = 30_000;
const mutexPollMs = 10;

export class RestoreJournalStore {
  readonly #stateDirectory: string;
  readonly #directory: string;
  readonly #disk: SwapDisk;

  /** @param stateDirectory exists and is private */
  constructor(stateDirectory: string, disk: SwapDisk) {
    this.#stateDirectory = stateDirectory;
    this.#directory = journalDirectory(stateDirectory);
    this.#disk = disk;
  }

  /**
   * All journals, oldest first. Costs one look at a folder where there are none.
   *
   * @throws {BackupError} `damaged` if one cannot be read, `unsupported` if a newer version wrote it
   */
  async list(): Promise<readonly RestoreJournal[]> {
    const journals: RestoreJournal[] = [];
    for (const id of await journalIds(this.#stateDirectory)) {
      const journal = await this.read(id);
      if (journal !== undefined) journals.push(journal);
    }
    return journals;
  }

  /** The journal as it stands now; undefined once it is gone. */
  async read(id: string): Promise<RestoreJournal | undefined> {
    const path = this.#pathOf(id);
    const text = await readFile(path, "utf8").catch((error: NodeJS.ErrnoException) => {
      if (error.code !== "ENOENT") throw error;
    });
    if (text === undefined) return undefined;
    const journal = parseJournal(text, path);
    if (journal.id !== id) throw damaged(path, undefined);
    return journal;
  }

  /** Durable on return. */
  async write(journal: RestoreJournal): Promise<void> {
    await mkdir(this.#directory, { recursive: true, mode: 0o700 });
    await this.#disk.writeDurably(this.#pathOf(journal.id), encodeJournal(journal));
  }

  /** Forgets a journal; the caller holds its lock, or the mutex. */
  async remove(id: string): Promise<void> {
    await this.#disk.removeFile(this.#pathOf(id));
    await rm(join(this.#directory, `${id}.lock`), { force: true });
  }

  /** Takes the lock that says "somebody is working on this restore"; undefined while another does. */
  async lock(id: string): Promise<Disposable | undefined> {
    await mkdir(this.#directory, { recursive: true, mode: 0o700 });
    return tryLockFile(join(this.#directory, `${id}.lock`));
  }

  /** Runs `work` while nobody else claims targets or forgets journals. */
  async exclusively<T>(work: () => Promise<T>, signal: AbortSignal): Promise<T> {
    await mkdir(this.#directory, { recursive: true, mode: 0o700 });
    const mutex = join(this.#directory, "all.lock");
    for (let waitedMs = 0; ; waitedMs += mutexPollMs) {
      using held = tryLockFile(mutex);
      if (held !== undefined) return await work();
      if (waitedMs >= mutexWaitMs) {
        throw new BackupError(
          "locked",
          `Cannot open the restore journal in ${this.#directory}: it is in use`,
          {
            retryable: true,
            hint: "Another restore hangs; look for it and end it, then try again.",
          },
        );
      }
      await sleep(mutexPollMs, undefined, { signal });
    }
  }

  #pathOf(id: string): string {
    return join(this.#directory, `${id}.json`);
  }
}

function encodeJournal(journal: RestoreJournal): string {
  const sha256 = hash("sha256", JSON.stringify(journal), "hex");
  return JSON.stringify({ formatVersion, sha256, journal });
}

function parseJournal(text: string, path: string): RestoreJournal {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw damaged(path, cause);
  }
  const document = value as { formatVersion?: unknown; areas?: unknown; journal?: RestoreJournal };
  if (document === null || typeof document !== "object") throw damaged(path, undefined);
  if (typeof document.formatVersion === "number" && document.formatVersion > formatVersion) {
    throw new BackupError(
      "unsupported",
      `Cannot read the restore journal ${path}: a newer version wrote it`,
      {
        hint: "Use the version that made the restore, or a newer one.",
      },
    );
  }
  if (document.formatVersion === 1 && Array.isArray(document.areas)) {
    const { formatVersion: _, ...journal } = value as RestoreJournal & { formatVersion: number };
    return journal;
  }
  const { journal } = document;
  // The whole text is compared, so that nothing in it may differ, be doubled or be missing.
  if (journal === undefined || encodeJournal(journal) !== text) throw damaged(path, undefined);
  return journal;
}

function damaged(path: string, cause: unknown): BackupError {
  return new BackupError("damaged", `Cannot read the restore journal ${path}: it is not what was written`, {
    cause,
    hint: "A restore that was interrupted cannot be finished by itself: look for folders named .vertex-restore-* and .vertex-previous-* beside the targets, put them in place by hand, then remove this file.",
  });
}
