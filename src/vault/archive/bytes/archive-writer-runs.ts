/**
 * The runs of an archive on their way out: members go to the archive, and once all
 * of a run have left, its lines go to the contents file, in the same order.
 *
 * @module
 */

import type { EntryRoot } from "../../../domain/entry.ts";
import type { RunMember } from "../../../format/archive/contents-line.ts";
import { encodeContentsHeader, encodeRun } from "../../../format/archive/contents-line.ts";
import type { Storage } from "../../../storage/storage.ts";
import type { ContentsRun } from "./archive-reader-contents.ts";
import type { ArchiveObject } from "./archive-writer.ts";
import { ContentsOutput } from "./archive-writer-contents.ts";
import { OutputObject } from "./archive-writer-output.ts";
import type { MadeMember } from "./member-factory.ts";

/** A stretch of members under way. */
export class Run {
  offset = -1;
  readonly members: RunMember[] = [];
  /** Members handed over, and whether more will come. */
  pushed = 0;
  closed = false;
  /** Entry lines without line ends; those of `original` where there is one. */
  lines: readonly string[] = [];
  /** The run of the parent it is a copy of. */
  original: ContentsRun | undefined;
}

export interface RunSinkOptions {
  readonly storage: Storage;
  readonly archiveName: string;
  readonly contentsName: string;
  readonly roots: readonly EntryRoot[];
}

/** Takes runs one after the other and feeds both objects. */
export class RunSink {
  readonly #archive: OutputObject;
  readonly #contents: ContentsOutput;
  readonly #runs: Run[] = [];

  constructor(options: RunSinkOptions, signal: AbortSignal) {
    this.#archive = new OutputObject(options.storage, options.archiveName, signal);
    this.#contents = new ContentsOutput(options.storage, options.contentsName, signal);
    this.#contents.write(encodeContentsHeader(options.archiveName, options.roots));
  }

  /** Starts a run; the one before must be closed. */
  open(): Run {
    const run = new Run();
    this.#runs.push(run);
    return run;
  }

  /** Hands over the next member of the run opened last; waits while too much is in flight. */
  async push(run: Run, member: Promise<MadeMember>): Promise<void> {
    run.pushed++;
    let release = (): void => undefined;
    this.#archive.push({
      member: member.then((made) => {
        release = made.release;
        return made;
      }),
      done: ({ bytes, rawBytes, crc32 }, offset) => {
        if (run.offset < 0) run.offset = offset;
        run.members.push({ storedBytes: bytes.length, rawBytes, crc32 });
        release();
        this.#emit();
      },
    });
    await this.#archive.room();
  }

  /**
   * Ends a run with the lines of its entries; none for bytes that belong to no entry, or where
   * there is an `original`, the parent's run of which all members and lines are the same.
   */
  async close(run: Run, lines: readonly string[], original?: ContentsRun): Promise<void> {
    run.lines = lines;
    run.original = original;
    run.closed = true;
    this.#emit();
    await this.#contents.room();
  }

  /** Ends both objects; returns when they are durable. */
  async finish(): Promise<{ readonly archive: ArchiveObject; readonly contents: ArchiveObject }> {
    const storing = this.#archive.finish();
    // It may be awaited long after it failed.
    storing.catch(() => undefined);
    // Then all lines are there, too: both wait for the disk at the same time, and nothing names them yet (I1).
    await this.#archive.drained();
    const [archive, contents] = await Promise.all([storing, this.#contents.finish()]);
    return { archive, contents };
  }

  async abort(): Promise<void> {
    await Promise.all([this.#archive.abort(), this.#contents.abort()]);
  }

  #emit(): void {
    for (;;) {
      const run = this.#runs[0];
      if (run === undefined || !run.closed || run.members.length < run.pushed) return;
      this.#runs.shift();
      if (run.pushed === 0) continue;
      this.#describe(run);
    }
  }

  #describe({ offset, members, lines: own, original }: Run): void {
    if (original?.offset === offset) {
      for (const range of original.ranges) this.#contents.copy(range);
      return;
    }
    const lines = original?.lines.all() ?? own;
    for (const line of encodeRun({ offset, members, entryCount: lines.length })) this.#contents.write(line);
    for (const line of lines) this.#contents.write(line);
  }
}
