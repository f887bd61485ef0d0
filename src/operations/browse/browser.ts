/**
 * The part of the facade that looks into backups. It only delegates.
 *
 * @module
 */

import { checkValue } from "../../domain/option-rule.ts";
import type { OperationRunner } from "../operation-runner.ts";
import type {
  BackupEntry,
  CompareRequest,
  Dump,
  DumpRequest,
  EntryDifference,
  FindEntriesRequest,
  FoundEntry,
  ListEntriesRequest,
} from "./browse-requests.ts";

/**
 * Looks into the backups of a vault without restoring them; `BackupManager.browse` is one.
 * What may be much is given one after the other: nothing is held, and whoever has seen
 * enough ends the loop.
 */
export class BackupBrowser {
  readonly #runner: OperationRunner;

  constructor(runner: OperationRunner) {
    this.#runner = runner;
  }

  /**
   * What is in a backup, or in a folder of it: databases first, then files in order.
   *
   * @throws {BackupError} `not-found` for a backup or a path that is not there; `damaged`
   * @example
   * ```ts
   * for await (const entry of manager.browse.listEntries({ backup: "latest", path: "uploads" })) {
   *   console.log(entry.kind, entry.path, entry.sizeBytes, entry.modifiedAt);
   * }
   * ```
   */
  async *listEntries(request: ListEntriesRequest): AsyncGenerator<BackupEntry> {
    const { listEntries } = await import("./list-entries.ts");
    yield* this.#runner.iterate("vault", request, listEntries);
  }

  /**
   * Where something is, in every backup or some of them, newest backup first.
   *
   * @throws {BackupError} `invalid-input` for a pattern that makes no sense; `not-found`, `damaged` for a
   *   backup that was named; others that cannot be read are warnings
   * @example
   * ```ts
   * for await (const { backup, entry } of manager.browse.findEntries({ pattern: "*.jpg", newest: true })) {
   *   console.log(backup.id, entry.path);
   * }
   * ```
   */
  async *findEntries(request: FindEntriesRequest): AsyncGenerator<FoundEntry> {
    const { findEntries } = await import("./find-entries.ts");
    yield* this.#runner.iterate("vault", request, findEntries);
  }

  /**
   * What differs between two backups: databases, then files in order. Bytes are read only where the
   * vaults cannot tell without.
   *
   * @param other Where `after` lies, when in another vault
   * @throws {BackupError} `not-found`; `damaged` for bytes that had to be read and are not what was stored
   * @example
   * ```ts
   * const request = { before: "latest", after: "latest" };
   * for await (const { difference, path } of manager.browse.compareBackups(request)) {
   *   console.log(difference, path);
   * }
   * ```
   */
  async *compareBackups(
    request: CompareRequest,
    other: BackupBrowser = this,
  ): AsyncGenerator<EntryDifference> {
    checkValue(other, "the other vault", {
      wanted: "the browse of a backup manager",
      fits: (value) => value instanceof BackupBrowser,
    });
    const { compareBackups } = await import("./compare-backups.ts");
    yield* this.#runner.iterate("vault", request, async function* (context, started) {
      const second = await other.#runner.open("vault", started, async (opened) => opened);
      yield* compareBackups(context, second, started);
    });
  }

  /**
   * The bytes of a file or of a database, or a folder as tar or zip, to be read once.
   *
   * @throws {BackupError} `not-found`; `invalid-input` for a link; `damaged`, also at the end of the bytes
   * @example
   * ```ts
   * await using dump = await manager.browse.openDump({ backup: "latest", path: "uploads", format: "zip" });
   * let size = 0;
   * for await (const chunk of dump.bytes) size += chunk.length;
   * console.log(dump.suggestedName, size);
   * ```
   */
  async openDump(request: DumpRequest): Promise<Dump> {
    const { openDump } = await import("./dump.ts");
    return await this.#runner.run("vault", request, openDump);
  }
}
