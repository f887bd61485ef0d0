/**
 * Takes whole unchanged runs over from the parent archive as they are, without
 * inflating. Every member's checksum is held against the contents file first (I6);
 * what does not match is read from the source again.
 *
 * @module
 */

import { crc32 } from "node:zlib";
import type { Entry } from "../../../domain/entry.ts";
import { BackupError, errorText, isAbort } from "../../../domain/error.ts";
import type { Storage } from "../../../storage/storage.ts";
import type { ContentsRun } from "./archive-reader-contents.ts";
import type { Run, RunSink } from "./archive-writer-runs.ts";
import type { EntryStore } from "./archive-writer-store.ts";
import { ByteFeed } from "./byte-feed.ts";
import type { MadeMember, MemberFactory } from "./member-factory.ts";

/**
 * A run smaller than this is not copied while a group is open: it joins the group
 * instead. Otherwise every change would leave its neighbours in ever smaller runs.
 */
const joinBytesMax = 256 * 1024;
/** One read of the parent takes this much at most, so that a damaged one does not hold up much. */
const copyBytesMax = 64 * 1024 * 1024;
/**
 * And runs with this many entries: until they are copied, those are in memory. With three
 * times as many, 100,000 unchanged files cost 40 MB more and the collector twice the time.
 */
const copyEntriesMax = 1536;
/** Warnings about damage in the parent; the first few say it. */
const warningsMax = 10;

/** An unchanged run and the entries that lie in it. */
export interface RunToCopy {
  readonly run: ContentsRun;
  readonly entries: readonly Entry[];
}

export interface RunCopierOptions {
  readonly storage: Storage;
  readonly archiveName: string;
  readonly sink: RunSink;
  readonly factory: MemberFactory;
  readonly store: EntryStore;
  readonly warn: (message: string) => void;
}

/** Tells whether `next` can be read together with the runs before it. */
export function canJoin(runs: readonly RunToCopy[], next: ContentsRun): boolean {
  const first = runs[0]?.run;
  const last = runs.at(-1)?.run;
  if (first === undefined || last === undefined) return true;
  const end = last.offset + last.storedBytes;
  if (end !== next.offset || end + next.storedBytes - first.offset > copyBytesMax) return false;
  const entries = runs.reduce((sum, { run }) => sum + run.lines.length, next.lines.length);
  return entries <= copyEntriesMax;
}

/** Copies runs of one parent. */
export class RunCopier {
  readonly #options: RunCopierOptions;
  #warnings = 0;

  constructor(options: RunCopierOptions) {
    this.#options = options;
  }

  /** Copies runs that lie one after the other in the parent. */
  async copy(runs: readonly RunToCopy[], signal: AbortSignal): Promise<void> {
    const { storage, archiveName, store } = this.#options;
    let next = 0;
    while (next < runs.length && this.#shouldJoin(runs[next]!)) {
      await store.storeAnew(runs[next]!.entries, signal);
      next++;
    }
    if (next === runs.length) return;
    await store.closeGroup();
    const last = runs.at(-1)!.run;
    const { offset } = runs[next]!.run;
    const range = { offset, length: last.offset + last.storedBytes - offset };
    await using feed = new ByteFeed(storage.get(archiveName, range, signal), archiveName);
    for (const item of runs.slice(next)) {
      signal.throwIfAborted();
      await this.#copyRun(item, feed, signal);
    }
  }

  #shouldJoin({ run, entries }: RunToCopy): boolean {
    const { store } = this.#options;
    return (store.groupBytes > 0 && run.rawBytes < joinBytesMax) || store.pointsToLost(entries);
  }

  async #copyRun(item: RunToCopy, feed: ByteFeed, signal: AbortSignal): Promise<void> {
    const { store, sink } = this.#options;
    let run: Run | undefined;
    for (const [index, member] of item.run.members.entries()) {
      const made = await this.#takeMember(item, index, feed);
      if (made === undefined && run === undefined) {
        // Nothing of it is in the archive yet. The feed still has to pass its other members.
        await this.#skip(item, index + 1, feed);
        await store.storeAnew(item.entries, signal);
        return;
      }
      if (run === undefined) await store.closeGroup();
      run ??= sink.open();
      if (made === undefined) {
        await this.#fillUp(item, index, run);
        await this.#skip(item, index + 1, feed);
        await store.storeAnew(item.entries, signal);
        return;
      }
      await sink.push(run, Promise.resolve({ ...made, rawBytes: member.rawBytes }));
    }
    if (run !== undefined) await sink.close(run, [], item.run);
    store.countCopied(item.entries);
  }

  /** The next member of the feed; undefined, with a warning, where it is damaged. */
  async #takeMember(item: RunToCopy, index: number, feed: ByteFeed): Promise<MadeMember | undefined> {
    const member = item.run.members[index]!;
    const { bytes, release } = this.#options.factory.takeEncoded();
    try {
      const taken = await feed.take(member.storedBytes, bytes);
      if (crc32(taken) === member.crc32) return { bytes: taken, ...member, release };
      throw new BackupError("damaged", "Cannot copy from the previous backup: a checksum does not match");
    } catch (error) {
      release();
      if (isAbort(error) || !(error instanceof BackupError)) throw error;
      this.#warn(error);
      return undefined;
    }
  }

  async #skip(item: RunToCopy, from: number, feed: ByteFeed): Promise<void> {
    for (let index = from; index < item.run.members.length; index++) {
      (await this.#takeMember(item, index, feed))?.release();
    }
  }

  /** Ends a run that was half copied in a way that tar reads over: zeros, as many as the header promised. */
  async #fillUp(item: RunToCopy, from: number, run: Run): Promise<void> {
    const { sink, factory } = this.#options;
    for (const { rawBytes } of item.run.members.slice(from)) {
      await sink.push(run, Promise.resolve(factory.makeZeros(rawBytes)));
    }
    await sink.close(run, []);
  }

  #warn(error: unknown): void {
    if (this.#warnings++ >= warningsMax) return;
    this.#options.warn(`Part of the previous backup is read from the source again: ${errorText(error)}`);
  }
}
