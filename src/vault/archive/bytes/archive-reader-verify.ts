/**
 * Reads an archive and its contents file again and names what is wrong, down to the
 * files concerned. Damage is reported, never thrown.
 *
 * @module
 */

import type { Hash } from "node:crypto";
import { createHash } from "node:crypto";
import { crc32 } from "node:zlib";
import { byteStringToDisplay } from "../../../domain/byte-string.ts";
import type { StoredEntry } from "../../../domain/entry.ts";
import { errorText, isBackupError } from "../../../domain/error.ts";
import { memberBytesMax } from "../../../encode/gzip-member.ts";
import type { Damage } from "../../vault.ts";
import type { ArchiveReaderOptions, ArchiveVerification } from "./archive-reader.ts";
import { contentsSource } from "./archive-reader-contents.ts";
import { entriesOf } from "./archive-reader-entry.ts";
import type { ParsedRun } from "./archive-reader-lines.ts";
import { ParsedRuns } from "./archive-reader-lines.ts";
import type { SelectedRun } from "./archive-reader-runs.ts";
import { selectRuns } from "./archive-reader-runs.ts";
import { ByteFeed } from "./byte-feed.ts";
import type { MemberDecoder } from "./member-stream.ts";

export interface VerifierOptions extends ArchiveReaderOptions {
  readonly decoder: MemberDecoder;
  readonly report: (damage: Damage) => void;
  readonly progress: (bytesRead: number) => void;
}

/** Errors that are findings about the backup, not failures of the verification. */
const findings = ["damaged", "not-found", "unsupported", "unsafe"] as const;

/** One verification. */
export class ArchiveVerifier {
  readonly #options: VerifierOptions;
  readonly #scratch = Buffer.allocUnsafe(memberBytesMax);
  /** Paths that were named: the second pass meets again what the first has found. */
  readonly #named = new Set<string>();
  #bytesRead = 0;
  #entriesChecked = 0;

  constructor(options: VerifierOptions) {
    this.#options = options;
  }

  async run(depth: "stored" | "content", signal: AbortSignal): Promise<ArchiveVerification> {
    const { contents } = this.#options;
    const readable = await this.#attempt(contents.name, () => this.#checkContents(signal));
    await this.#attempt(this.#options.archive.name, () => this.#checkArchive(readable, signal));
    if (readable && depth === "content") {
      await this.#attempt(contents.name, () => this.#checkEntries(signal));
    }
    return { bytesRead: this.#bytesRead, entriesChecked: this.#entriesChecked };
  }

  /** Runs a part of the verification; false where it ended in damage, which is reported. */
  async #attempt(object: string, work: () => Promise<void>): Promise<boolean> {
    try {
      await work();
      return true;
    } catch (error) {
      if (!isBackupError(error, ...findings)) throw error;
      this.#options.report({ object, message: errorText(error) });
      return false;
    }
  }

  /** Parses every line, so that the passes after it need not fear the contents file. */
  async #checkContents(signal: AbortSignal): Promise<void> {
    await using contents = this.#openContents(signal);
    while ((await contents.next()) !== undefined) signal.throwIfAborted();
    this.#count(this.#options.contents.sizeBytes);
  }

  /** Hashes the whole archive, and each member on the way, so that damage can be told by name. */
  async #checkArchive(readable: boolean, signal: AbortSignal): Promise<void> {
    const { storage, archive, report } = this.#options;
    const hash = createHash("sha256");
    await using feed = new ByteFeed(storage.get(archive.name, undefined, signal), archive.name);
    let left = archive.sizeBytes;
    if (readable) {
      await using contents = this.#openContents(signal);
      for (let next = await contents.next(); next !== undefined; next = await contents.next()) {
        signal.throwIfAborted();
        await this.#checkRun(next, feed, hash);
        left -= next.run.storedBytes;
      }
    }
    while (left > 0) {
      signal.throwIfAborted();
      const bytes = await feed.take(Math.min(left, this.#scratch.length), this.#scratch);
      hash.update(bytes);
      left -= bytes.length;
      this.#count(bytes.length);
    }
    if (!(await feed.ended()))
      report({ object: archive.name, message: "It is longer than what was written" });
    if (hash.digest("hex") !== archive.sha256) {
      report({ object: archive.name, message: "Its checksum does not match" });
    }
  }

  async #checkRun({ run, entries }: ParsedRun, feed: ByteFeed, hash: Hash): Promise<void> {
    let intact = true;
    for (const member of run.members) {
      const bytes = await feed.take(member.storedBytes, this.#scratch);
      hash.update(bytes);
      intact &&= crc32(bytes) === member.crc32;
      this.#count(bytes.length);
    }
    if (intact) return;
    for (const { entry } of entries)
      this.#reportEntry(entry, "The part of the archive it lies in is damaged");
  }

  /** Decodes everything and holds each file against its own hash. */
  async #checkEntries(signal: AbortSignal): Promise<void> {
    const { storage, archive, decoder } = this.#options;
    await using contents = this.#openContents(signal);
    const reading = { storage, archiveName: archive.name, decoder };
    for await (const selected of selectRuns(contents, () => true, reading, signal)) {
      await this.#checkSelected(selected, signal);
    }
  }

  async #checkSelected(selected: SelectedRun, signal: AbortSignal): Promise<void> {
    let checked = 0;
    try {
      for await (const { entry, content } of entriesOf(selected, signal)) {
        checked++;
        if (content !== undefined) await this.#checkEntry(entry, content);
      }
    } catch (error) {
      // The member they share does not decode, so none of those left can be read.
      if (!isBackupError(error, "damaged")) throw error;
      for (const { entry } of selected.entries.slice(checked)) this.#reportEntry(entry, errorText(error));
    }
    this.#entriesChecked += selected.entries.length;
    this.#count(selected.run.storedBytes);
  }

  async #checkEntry(entry: StoredEntry, content: AsyncIterable<Uint8Array>): Promise<void> {
    try {
      for await (const _ of content);
    } catch (error) {
      if (!isBackupError(error, "damaged")) throw error;
      this.#reportEntry(entry, errorText(error));
    }
  }

  #reportEntry(entry: StoredEntry, message: string): void {
    const { archive, report } = this.#options;
    const path = `${entry.root}/${byteStringToDisplay(entry.path)}`;
    if (this.#named.has(path)) return;
    this.#named.add(path);
    report({ object: archive.name, path, message });
  }

  #openContents(signal: AbortSignal): ParsedRuns {
    return new ParsedRuns(contentsSource(this.#options), this.#options.roots, signal);
  }

  #count(bytes: number): void {
    this.#bytesRead += bytes;
    this.#options.progress(this.#bytesRead);
  }
}
