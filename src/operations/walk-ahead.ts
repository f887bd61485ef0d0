/**
 * Begins to walk a large folder while the vault is opened or got ready for its backup.
 *
 * @module
 */

import { isDeepStrictEqual } from "node:util";
import type { Problem } from "../domain/backup.ts";
import type { ByteString } from "../domain/byte-string.ts";
import type { Clock } from "../domain/clock.ts";
import type { Entry } from "../domain/entry.ts";
import { StartedWalk } from "../source/folder/walk-aside.ts";
import { realBytePath, type WalkOptions } from "../source/folder/walk-folder.ts";
import { withSidecars } from "../source/sidecar-names.ts";
import type { OperationContext } from "./context.ts";
import type { FolderSource } from "./requests.ts";

/** What was seen longer ago is looked at again: the vault may have had to wait for somebody else's lock. */
export const freshMsMax = 10_000;

/** 15 MB: as many as are met while the key of a repository is derived. */
const furtherEntries = 100_000;

/**
 * A folder that is being walked. Not to be begun before databases are captured: files are walked after
 * them, so that what their rows name is there.
 */
export class WalkAhead implements AsyncDisposable {
  readonly startedAtMs: number;
  readonly #options: WalkOptions;
  readonly #clock: Clock;
  readonly #startedAtElapsed: number;
  readonly #walk: StartedWalk;

  constructor(options: WalkOptions, clock: Clock) {
    this.#options = options;
    this.#clock = clock;
    this.startedAtMs = clock.now();
    this.#startedAtElapsed = clock.elapsed();
    this.#walk = new StartedWalk(options);
    this.#walk.goAhead(furtherEntries);
  }

  /** Is this the walk that is wanted, and what it saw first recent enough to go by? */
  serves(wanted: WalkOptions): boolean {
    const ageMs = this.#clock.elapsed() - this.#startedAtElapsed;
    return ageMs <= freshMsMax && isDeepStrictEqual(wanted, this.#options);
  }

  /** What it finds, as `walkFolder` does. To be called once. */
  entries(
    report: (problem: Problem) => void,
    signal: AbortSignal,
  ): AsyncGenerator<readonly Entry[], void, undefined> {
    return this.#walk.entries(report, signal);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#walk[Symbol.asyncDispose]();
  }
}

/** How a folder of a source is walked. */
export function walkOptions(
  { name, path, excludes, oneFileSystem, excludeCaches }: FolderSource,
  skip: ReadonlySet<ByteString>,
): WalkOptions {
  return { root: { name, path }, excludes, oneFileSystem, excludeCaches, skip };
}

/** What no walk stores: our own folders, and declared databases, which are captured instead, with their sidecars. */
export function skippedPaths(
  { ownDirectories }: Pick<OperationContext, "ownDirectories">,
  declaredPaths: readonly string[],
): ReadonlySet<ByteString> {
  const databases = declaredPaths.flatMap((path) => withSidecars(realBytePath(path)));
  return new Set([...ownDirectories.map(realBytePath), ...databases]);
}
