/**
 * Streams a contents file, run by run. The file is untrusted: every length in it
 * is held against the archive's size, so that no number makes us allocate or read beyond it.
 *
 * @module
 */

import { BackupError } from "../../../domain/error.ts";
import { memberBytesMax, memberBytesMin, memberRawBytesMax } from "../../../encode/gzip-member.ts";
import type { RunMember } from "../../../format/archive/contents-line.ts";
import type { RunLine } from "../../../format/archive/contents-parse.ts";
import {
  contentsLineBytesMax,
  parseContentsHeader,
  parseMembersLine,
  parseRunLine,
} from "../../../format/archive/contents-parse.ts";
import { tarBlockBytes } from "../../../format/archive/tar-header.ts";
import type { Storage } from "../../../storage/storage.ts";
import { type ContentsText, readTexts, type TextRange, type TextsSource } from "./archive-reader-texts.ts";
import { RunLines } from "./run-lines.ts";

/** "\n". */
const lineEnd = 10;

/** A member holds no more entries than it has tar headers. */
const entriesPerRunMax: number = memberRawBytesMax / tarBlockBytes;

/** A run and the lines of its entries, not parsed yet. */
export interface ContentsRun {
  readonly offset: number;
  readonly storedBytes: number;
  readonly rawBytes: number;
  readonly members: readonly RunMember[];
  readonly lines: RunLines;
  /** Where its own line or lines and those of its entries are. */
  readonly ranges: readonly TextRange[];
}

export interface ContentsSource extends TextsSource {
  /** Size of the archive it describes. */
  readonly archiveBytes: number;
}

/** How the contents file of a backup is to be read: against what its metadata says. */
export function contentsSource(backup: {
  readonly storage: Pick<Storage, "get">;
  readonly archive: { readonly sizeBytes: number };
  readonly contents: { readonly name: string; readonly sizeBytes: number; readonly sha256: string };
}): ContentsSource {
  const { storage, contents, archive } = backup;
  return { storage, name: contents.name, archiveBytes: archive.sizeBytes, expected: contents };
}

const noText: ContentsText = { lines: Buffer.alloc(0), member: new Uint8Array(0) };

/** Reads runs in order. Dispose it when not read to the end. */
export class ContentsRuns implements AsyncDisposable {
  readonly #source: ContentsSource;
  readonly #texts: AsyncGenerator<ContentsText>;
  #text: ContentsText = noText;
  #at = 0;
  /** Where the lines of the run being read begin in `#text`, and those in texts before it. */
  #from = 0;
  #ranges: TextRange[] = [];
  #offset = 0;
  #rootNames: readonly string[] | undefined;

  constructor(source: ContentsSource, signal: AbortSignal) {
    this.#source = source;
    this.#texts = readTexts(source, signal);
  }

  /** Names of the roots in the order their entries come. @throws {BackupError} `damaged`, `unsupported` */
  async rootNames(): Promise<readonly string[]> {
    if (this.#rootNames === undefined) {
      const line = await this.#line();
      if (line === undefined) throw this.#damaged("it is empty");
      this.#rootNames = parseContentsHeader(line).rootNames;
    }
    return this.#rootNames;
  }

  /**
   * The next run; undefined after the last.
   *
   * @throws {BackupError} `damaged`, also at the end if the checksum does not match
   */
  async next(): Promise<ContentsRun | undefined> {
    await this.rootNames();
    this.#ranges = [];
    this.#from = this.#at;
    const line = await this.#line();
    if (line === undefined) {
      const expected = this.#source.expected;
      if (expected !== undefined && this.#offset !== this.#source.archiveBytes) {
        throw this.#damaged("it does not describe the whole archive");
      }
      return undefined;
    }
    const run = parseRunLine(line);
    const members = await this.#members(run);
    const { entryCount } = run;
    if (entryCount > (members.length === 1 ? entriesPerRunMax : 1))
      throw this.#damaged("a run has too many entries");
    const lines = await this.#lines(entryCount);
    this.#ranges.push({ text: this.#text, from: this.#from, to: this.#at });
    return { offset: run.offset, ...sums(members), members, lines, ranges: this.#ranges };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#texts.return(undefined);
  }

  async #members(run: RunLine): Promise<readonly RunMember[]> {
    if (run.offset !== this.#offset) throw this.#damaged("its runs do not follow one another");
    const members: RunMember[] = [];
    let page = run.members;
    for (;;) {
      for (const member of page) {
        this.#checkMember(member);
        members.push(member);
      }
      if (members.length >= run.memberCount) break;
      page = parseMembersLine(await this.#mustLine());
      if (page.length === 0) throw this.#damaged("a run lacks members");
    }
    if (members.length !== run.memberCount || members.length === 0)
      throw this.#damaged("a run lacks members");
    return members;
  }

  #checkMember(member: RunMember): void {
    this.#offset += member.storedBytes;
    if (
      member.storedBytes < memberBytesMin ||
      member.storedBytes > memberBytesMax ||
      member.rawBytes > memberRawBytesMax ||
      this.#offset > this.#source.archiveBytes
    ) {
      throw this.#damaged("a member has an impossible length");
    }
  }

  async #lines(count: number): Promise<RunLines> {
    const lines = new RunLines();
    while (lines.length < count) {
      const end = this.#lineEnd();
      if (end !== undefined) {
        lines.push(this.#text.lines, this.#at, end);
        this.#at = end + 1;
      } else if (!(await this.#nextText())) throw this.#damaged("it ends within a run");
    }
    return lines;
  }

  async #mustLine(): Promise<string> {
    const line = await this.#line();
    if (line === undefined) throw this.#damaged("it ends within a run");
    return line;
  }

  async #line(): Promise<string | undefined> {
    for (;;) {
      const end = this.#lineEnd();
      if (end !== undefined) {
        const line = this.#text.lines.toString("latin1", this.#at, end);
        this.#at = end + 1;
        return line;
      }
      if (!(await this.#nextText())) return undefined;
    }
  }

  /** Goes on to the next text; false at the end. */
  async #nextText(): Promise<boolean> {
    const next = await this.#texts.next();
    if (next.done === true) return false;
    if (this.#from < this.#at) this.#ranges.push({ text: this.#text, from: this.#from, to: this.#at });
    this.#text = next.value;
    this.#at = 0;
    this.#from = 0;
    if (this.#text.lines.at(-1) !== lineEnd) throw this.#damaged("a line is cut short");
    return true;
  }

  /** Where the next line ends; undefined where the text does. */
  #lineEnd(): number | undefined {
    const { lines } = this.#text;
    if (this.#at >= lines.length) return undefined;
    const end = lines.indexOf(lineEnd, this.#at);
    if (end - this.#at > contentsLineBytesMax) throw this.#damaged("a line is too long");
    return end;
  }

  #damaged(what: string): BackupError {
    return new BackupError("damaged", `Cannot read ${this.#source.name}: ${what}`);
  }
}

function sums(members: readonly RunMember[]): { readonly storedBytes: number; readonly rawBytes: number } {
  let storedBytes = 0;
  let rawBytes = 0;
  for (const member of members) {
    storedBytes += member.storedBytes;
    rawBytes += member.rawBytes;
  }
  return { storedBytes, rawBytes };
}
