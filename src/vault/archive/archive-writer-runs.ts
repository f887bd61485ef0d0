/**
 * The runs of an archive on their way out: members go to the archive, and once all
 * of a run have left, its lines go to the contents file, in the same order.
 *
 * @module
 */

import type { EntryRoot } from "../../domain/entry.ts";
import { memberRawBytesMax } from "../../encode/gzip-member.ts";
import type { RunMember } from "../../format/archive/contents-line.ts";
import { encodeContentsHeader, encodeRun } from "../../format/archive/contents-line.ts";
import type { Storage } from "../../storage/storage.ts";
import type { ArchiveObject } from "./archive-writer.ts";
import { OutputObject } from "./archive-writer-output.ts";
import type { MadeMember } from "./member-factory.ts";
import { MemberFactory } from "./member-factory.ts";

/** Level of the contents file: hashes do not compress, and names do at any level; 6 costs three times as much for 4 % less. */
const contentsLevel = 3;
/** Text gathered before it becomes a member of the contents file. */
const contentsMemberBytes: number = memberRawBytesMax / 4;

/** A stretch of members under way. */
export class Run {
  offset = -1;
  readonly members: RunMember[] = [];
  /** Members handed over, and whether more will come. */
  pushed = 0;
  closed = false;
  /** Entry lines without line ends. */
  lines: readonly string[] = [];
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
  readonly #contents: OutputObject;
  readonly #contentsFactory = new MemberFactory(contentsLevel, contentsMemberBytes);
  readonly #runs: Run[] = [];
  #text: string[] = [];
  #textBytes = 0;

  constructor(options: RunSinkOptions, signal: AbortSignal) {
    this.#archive = new OutputObject(options.storage, options.archiveName, signal);
    this.#contents = new OutputObject(options.storage, options.contentsName, signal);
    this.#write(encodeContentsHeader(options.archiveName, options.roots));
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

  /** Ends a run with the lines of its entries; none for bytes that belong to no entry. */
  async close(run: Run, lines: readonly string[]): Promise<void> {
    run.lines = lines;
    run.closed = true;
    this.#emit();
    await this.#contents.room();
  }

  /** Ends both objects; returns when they are durable. */
  async finish(): Promise<{ readonly archive: ArchiveObject; readonly contents: ArchiveObject }> {
    const archive = await this.#archive.finish();
    this.#flush();
    return { archive, contents: await this.#contents.finish() };
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
      const { offset, members } = run;
      for (const line of encodeRun({ offset, members, entryCount: run.lines.length })) this.#write(line);
      for (const line of run.lines) this.#write(line);
    }
  }

  #write(line: string): void {
    // A line never spans two members, so that each member can be read by itself.
    if (this.#textBytes + line.length >= contentsMemberBytes) this.#flush();
    this.#text.push(line);
    this.#textBytes += line.length + 1;
  }

  #flush(): void {
    if (this.#textBytes === 0) return;
    const raw = this.#contentsFactory.takeRaw();
    // The line end after the last: joining it too saves a copy of the whole text.
    this.#text.push("");
    const rawBytes = raw.write(this.#text.join("\n"), "latin1");
    this.#text = [];
    this.#textBytes = 0;
    const made = this.#contentsFactory.make(raw, rawBytes, "deflate");
    this.#contents.push({ member: made, done: () => void made.then((member) => member.release()) });
  }
}
