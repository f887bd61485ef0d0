/**
 * What the program and the thread that walks for it say to each other.
 *
 * @module
 */

import type { Problem } from "../../domain/backup.ts";
import type { ByteString } from "../../domain/byte-string.ts";
import type { BackupError, ErrorKind } from "../../domain/error.ts";
import type { EntryColumns } from "./entry-columns.ts";
import type { WalkOptions } from "./walk-folder.ts";

/**
 * To the program, each with the problems met before it. `batch` and `problems` count against the batches that
 * may be under way; the latter comes where a folder has many problems and few entries.
 */
export type FromWalk = { readonly problems: readonly Problem[] } & (
  | { readonly kind: "batch"; readonly columns: EntryColumns; readonly directory: ByteString }
  | { readonly kind: "problems" | "end" }
  | {
      readonly kind: "failed";
      readonly errorKind: ErrorKind;
      readonly message: string;
      readonly hint: string | undefined;
      readonly details: BackupError["details"];
    }
);

/** Problems that take as much room as a batch. */
export const problemsPerBatch = 512;

/** How many batches a message counts for. */
export function batchesOf({ kind, problems }: Pick<FromWalk, "kind" | "problems">): number {
  return (kind === "batch" ? 1 : 0) + Math.ceil(problems.length / problemsPerBatch);
}

/** To the thread: first what it is to walk, then how many more batches it may send. */
export type ToWalk = WalkOptions | number;

/** Batches asked for at once: each request may wake a thread, which costs more than a batch. */
export const batchesPerRequest = 8;
