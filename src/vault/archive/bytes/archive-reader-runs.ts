/**
 * Walks the runs of an archive that hold selected entries: contents lines are
 * parsed ahead, neighbouring runs are fetched with one read.
 *
 * @module
 */

import type { StoredEntry } from "../../../domain/entry.ts";
import { BackupError } from "../../../domain/error.ts";
import type { EntryLine } from "../../../format/archive/contents-parse.ts";
import type { Storage } from "../../../storage/storage.ts";
import type { ParsedRun, ParsedRuns } from "./archive-reader-lines.ts";
import type { DecodedMember, MemberDecoder } from "./member-stream.ts";
import { MemberStream } from "./member-stream.ts";

/** One read of the archive takes this much at most, unless a single file is larger. */
const stretchBytesMax = 64 * 1024 * 1024;
/** And this many runs: their entries are in memory. */
const stretchRunsMax = 64;

export interface RunReading {
  readonly storage: Pick<Storage, "get">;
  readonly archiveName: string;
  readonly decoder: MemberDecoder;
}

/** A run with selected entries. Its members come with `next`, in order, each at most once. */
export interface SelectedRun extends ParsedRun {
  /** The next member. @throws {BackupError} `damaged` for that member alone */
  next(): Promise<DecodedMember>;
}

/** Runs that lie one after the other and are fetched together; those without content are not fetched. */
interface Stretch {
  readonly runs: readonly ParsedRun[];
  readonly fetched: boolean;
}

/** The runs in which `select` wants something, in order. */
export async function* selectRuns(
  contents: ParsedRuns,
  select: (entry: StoredEntry) => boolean,
  reading: RunReading,
  signal: AbortSignal,
): AsyncGenerator<SelectedRun> {
  const planner = new StretchPlanner(contents, select);
  let upcoming = planner.next();
  // It may fail while nobody waits for it: with a signal that is aborted already, for one.
  upcoming.catch(() => undefined);
  for (;;) {
    signal.throwIfAborted();
    const stretch = await upcoming;
    if (stretch === undefined) return;
    // Parsed while this stretch is being used.
    upcoming = planner.next();
    upcoming.catch(() => undefined);
    yield* readStretch(stretch, reading, signal);
  }
}

async function* readStretch(
  stretch: Stretch,
  { storage, archiveName, decoder }: RunReading,
  signal: AbortSignal,
): AsyncGenerator<SelectedRun> {
  const members = stretch.fetched ? stretch.runs.flatMap(({ run }) => run.members) : [];
  const offset = stretch.runs[0]!.run.offset;
  await using stream = new MemberStream({ storage, name: archiveName, decoder, offset, members }, signal);
  for (const { run, entries } of stretch.runs) {
    let taken = 0;
    yield {
      run,
      entries,
      next: () => {
        taken++;
        return stream.next();
      },
    };
    if (!stretch.fetched) continue;
    for (; taken < run.members.length; taken++) await passOver(stream);
  }
}

async function passOver(stream: MemberStream): Promise<void> {
  try {
    (await stream.next()).release();
  } catch (error) {
    // Nobody wanted it, so nobody needs to know that it is damaged.
    if (!(error instanceof BackupError)) throw error;
  }
}

class StretchPlanner {
  readonly #contents: ParsedRuns;
  readonly #select: (entry: StoredEntry) => boolean;
  #held: ParsedRun | undefined;

  constructor(contents: ParsedRuns, select: (entry: StoredEntry) => boolean) {
    this.#contents = contents;
    this.#select = select;
  }

  async next(): Promise<Stretch | undefined> {
    const first = this.#held ?? (await this.#selected());
    if (first === undefined) return undefined;
    this.#held = undefined;
    const runs = [first];
    const fetched = hasContent(first.entries);
    let bytes = first.run.storedBytes;
    while (runs.length < stretchRunsMax && bytes < stretchBytesMax) {
      const next = await this.#selected();
      if (next === undefined) break;
      const { run } = next;
      const adjacent = run.offset === first.run.offset + bytes;
      if (hasContent(next.entries) !== fetched || !adjacent || bytes + run.storedBytes > stretchBytesMax) {
        this.#held = next;
        break;
      }
      runs.push(next);
      bytes += run.storedBytes;
    }
    return { runs, fetched };
  }

  async #selected(): Promise<ParsedRun | undefined> {
    for (;;) {
      const parsed = await this.#contents.next();
      if (parsed === undefined) return undefined;
      const entries = parsed.entries.filter(({ entry }) => this.#select(entry));
      if (entries.length > 0) return { run: parsed.run, entries };
    }
  }
}

function hasContent(entries: readonly EntryLine[]): boolean {
  return entries.some(({ entry }) => entry.sha256 !== undefined);
}
