/**
 * Recognises SQLite databases among the entries of a folder by their first bytes
 * and has them captured, so that a live one is not stored torn. What it finds are
 * files from strangers: it reads 16 bytes of each and leaves everything else to
 * the capture process ("Trust" in architecture.md).
 *
 * @module
 */

import { lstatSync, rmSync } from "node:fs";
import { asByteString, type ByteString, byteStringToPath } from "../../domain/byte-string.ts";
import { compareEntryPaths, type Entry } from "../../domain/entry.ts";
import { isSqliteHeader, magicBytes } from "../../format/sqlite/header.ts";
import { sidecarKind, sidecarMagicBytes, sidecarSuffixes } from "../../format/sqlite/sidecar.ts";
import { Breather } from "./breather.ts";
import type { CapturedImage, CaptureOutcome } from "../capture/capture.ts";
import { displayEntryPath } from "../tree/entry-path.ts";
import { type PathRules, pathRules } from "./exclude-rules.ts";
import { type OpenInodes, openInodesOfThisProcess, readFileHead } from "./file-head.ts";
import type { FoundBudget } from "../found-budget.ts";
import { isUnsyncedJournal } from "../capture/live-sidecar.ts";
import type { ReportProblem } from "./walk-folder.ts";

/** An entry, and whether its bytes come from the parent backup without being read. */
export interface WalkedEntry {
  readonly entry: Entry;
  readonly settled: boolean;
}

export interface DatabaseFinderOptions {
  /** Patterns under which no file is looked at. */
  readonly plainFiles: readonly string[];
  /** Captures the database at this absolute path, with `trust: "found"`, in a child process. */
  readonly capture: (path: ByteString, entry: Entry, signal: AbortSignal) => Promise<CaptureOutcome>;
  readonly report: ReportProblem;
  /** Shared by all finders of one backup. */
  readonly budget: FoundBudget;
}

/** A smaller file cannot be a database: the smallest page has 512 bytes. */
const databaseBytesMin = 512;

interface Sidecar {
  readonly suffix: string;
  readonly pageSizeBytes: number;
}

/**
 * Finds the databases of one root. Entries are handed over in order, each once; make a
 * new finder for the next root.
 */
export class DatabaseFinder {
  readonly #options: DatabaseFinderOptions;
  readonly #isPlain: PathRules | undefined;
  readonly #head: Buffer = Buffer.alloc(sidecarMagicBytes);
  readonly #breather = new Breather();
  /** Sidecars still to come, of databases already captured; few, since those passed are dropped. */
  #expected = new Map<ByteString, Sidecar>();
  readonly #captured = new Set<ByteString>();
  /** Files left out, and the name that has taken their place as the first of several, if one has. */
  readonly #leftOut = new Map<ByteString, ByteString | undefined>();
  /** What this process has open; undefined until somebody asks, and again after every wait. */
  #open: OpenInodes | undefined;
  /** Absolute path of the root with a "/" at its end. */
  #base = "";

  constructor(options: DatabaseFinderOptions) {
    this.#options = options;
    this.#isPlain = pathRules(options.plainFiles);
  }

  /**
   * The same entries, but with captured images as the content of databases and without
   * the sidecars of those. An image's entry has `ctimeNs` 0, so that it is never settled
   * by looks: in WAL mode a database changes while its file stays as it was.
   */
  async inspect(entries: readonly WalkedEntry[], signal: AbortSignal): Promise<readonly WalkedEntry[]> {
    this.#open = undefined;
    const kept: WalkedEntry[] = [];
    for (const walked of entries) {
      this.#learnBase(walked.entry);
      if (this.#isPlainlySettled(walked)) {
        kept.push(walked);
        continue;
      }
      if (this.#breather.isDue()) await this.#pause(signal);
      const inspected = await this.#inspectFile(walked, signal);
      if (inspected === undefined) this.#leftOut.set(walked.entry.path, undefined);
      else kept.push(inspected);
    }
    return kept;
  }

  async #pause(signal: AbortSignal): Promise<void> {
    await this.#breather.breathe(signal);
    this.#open = undefined;
  }

  /** The common case, kept free of promises: nothing about the entry is to be looked at. */
  #isPlainlySettled({ entry, settled }: WalkedEntry): boolean {
    if (entry.kind !== "file") return true;
    return settled && entry.hardLinkTo === undefined && this.#expected.size === 0;
  }

  #openInodes(): OpenInodes {
    this.#open ??= openInodesOfThisProcess();
    return this.#open;
  }

  /** Undefined for a file that is to be left out. */
  async #inspectFile(walked: WalkedEntry, signal: AbortSignal): Promise<WalkedEntry | undefined> {
    const { entry } = walked;
    if (this.#isSidecar(entry)) return undefined;
    if (entry.hardLinkTo !== undefined)
      return await this.#inspectFurtherName(entry, entry.hardLinkTo, signal);
    return walked.settled ? walked : await this.#inspectContent(entry, signal);
  }

  /**
   * A further name of a file that was captured or left out may be the one its database
   * goes by: sidecars belong to a name, not to a file.
   */
  async #inspectFurtherName(
    entry: Entry,
    first: ByteString,
    signal: AbortSignal,
  ): Promise<WalkedEntry | undefined> {
    const firstIsLeftOut = this.#leftOut.has(first);
    const hasSidecar =
      this.#captured.has(first) && ["-wal", "-journal"].some((suffix) => this.#exists(entry, suffix));
    if (!firstIsLeftOut && !hasSidecar) return { entry, settled: false };
    const replacement = this.#leftOut.get(first);
    if (replacement !== undefined) return { entry: { ...entry, hardLinkTo: replacement }, settled: false };
    const own = this.#withOwnContent(entry);
    if (own === undefined) return undefined;
    const inspected = await this.#inspectContent(own, signal);
    if (inspected !== undefined && firstIsLeftOut) this.#leftOut.set(first, entry.path);
    return inspected;
  }

  async #inspectContent(entry: Entry, signal: AbortSignal): Promise<WalkedEntry | undefined> {
    const asItIs = { entry, settled: false };
    if (entry.content?.from !== "path" || entry.sizeBytes < databaseBytesMin) return asItIs;
    // I9: one that this process has open is never read here, whatever the patterns say.
    if (this.#isPlain?.(entry.path, false) && !this.#openInodes().has(entry.inode)) return asItIs;
    const { path } = entry.content;
    const head = readFileHead(path, entry.inode, this.#head.subarray(0, magicBytes), this.#openInodes());
    if (head === undefined || !isSqliteHeader(head.bytes)) return asItIs;
    const outcome = await this.#capture(path, entry, head.held, signal);
    this.#open = undefined;
    const reason = refusalOf(outcome);
    if (reason === undefined && outcome.outcome === "captured")
      return this.#captureDone(entry, outcome.image);
    if (outcome.outcome === "captured") rmSync(outcome.image.imagePath, { force: true });
    if (head.held) return this.#leaveHeld(entry, reason ?? "");
    if (reason !== "") this.#problem("not-captured", entry, `Stored as an ordinary file: ${reason}`);
    return asItIs;
  }

  /** One that this process has open is no stranger's, and would be lost if it were not captured. */
  async #capture(
    path: ByteString,
    entry: Entry,
    held: boolean,
    signal: AbortSignal,
  ): Promise<CaptureOutcome> {
    const { capture, budget } = this.#options;
    if (held) return await capture(path, entry, signal);
    if (!budget.isSpent) return await budget.charge(() => capture(path, entry, signal));
    const message = "databases found before it took too long, so this one was not opened";
    return { outcome: "refused", reason: "too-slow", message };
  }

  #captureDone(entry: Entry, image: CapturedImage): WalkedEntry {
    this.#captured.add(entry.path);
    this.#expectSidecars(entry, image.pageSizeBytes);
    const content = { from: "image", path: image.imagePath } as const;
    return { entry: { ...entry, sizeBytes: image.sizeBytes, ctimeNs: 0n, content }, settled: false };
  }

  #expectSidecars(entry: Entry, pageSizeBytes: number): void {
    const stillToCome = [...this.#expected].filter(([path]) => compareEntryPaths(path, entry.path) > 0);
    this.#expected = new Map(stillToCome);
    for (const suffix of sidecarSuffixes) {
      this.#expected.set(asByteString(`${entry.path}${suffix}`), { suffix, pageSizeBytes });
    }
  }

  /** I9: storing it, or its `-shm`, would open and close it in this process, which takes the locks off a database the application has open. */
  #leaveHeld(entry: Entry, reason: string): undefined {
    this.#expectSidecars(entry, 0);
    this.#problem(
      "unreadable",
      entry,
      `This process has the database open and it cannot be captured: ${reason}`,
    );
    return undefined;
  }

  /** Only what carries the right magic is a sidecar; anything may have the name. */
  #isSidecar(entry: Entry): boolean {
    const sidecar = this.#expected.get(entry.path);
    if (sidecar === undefined) return false;
    const head = readFileHead(this.#absolute(entry.path), entry.inode, this.#head, this.#openInodes());
    // Deleted since it was walked, as journals are: it was no loss then, and is none now.
    if (head === undefined) return !this.#exists(entry, "");
    if (sidecarKind(sidecar.suffix, head.bytes) !== undefined) return true;
    return sidecar.suffix === "-journal" && isUnsyncedJournal(head.bytes, sidecar.pageSizeBytes);
  }

  #withOwnContent(entry: Entry): Entry | undefined {
    const path = this.#absolute(entry.path);
    try {
      const sizeBytes = lstatSync(byteStringToPath(path)).size;
      const { hardLinkTo: _, ...attributes } = entry;
      return { ...attributes, sizeBytes, content: { from: "path", path } };
    } catch {
      this.#problem("vanished", entry, "Deleted while the folder was walked");
      return undefined;
    }
  }

  #exists(entry: Entry, suffix: string): boolean {
    const path = byteStringToPath(this.#absolute(asByteString(`${entry.path}${suffix}`)));
    try {
      return lstatSync(path, { throwIfNoEntry: false }) !== undefined;
    } catch {
      return false;
    }
  }

  /** Entries with content say where they lie; those without come after one that did. */
  #learnBase({ content, path }: Entry): void {
    if (this.#base === "" && content?.from === "path") this.#base = content.path.slice(0, -path.length);
  }

  #absolute(path: ByteString): ByteString {
    return asByteString(`${this.#base}${path}`);
  }

  #problem(kind: "not-captured" | "unreadable" | "vanished", entry: Entry, message: string): void {
    this.#options.report({ kind, path: displayEntryPath(entry.root, entry.path), message });
  }
}

/** Why this is no image to store; undefined if it is one, empty if there is nothing to say. */
function refusalOf(outcome: CaptureOutcome): string | undefined {
  if (outcome.outcome === "refused") return outcome.reason === "missing" ? "" : outcome.message;
  const { check } = outcome.image;
  // The bytes as they lie tell more of a damaged file from strangers than what SQLite made of it.
  return check.ok ? undefined : `it fails its check: ${check.messages[0] ?? check.method}`;
}
