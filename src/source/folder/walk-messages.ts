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

/** To the program. `batch` counts against the batches that may be under way; problems come in between, in order. */
export type FromWalk =
  | { readonly kind: "batch"; readonly columns: EntryColumns; readonly directory: ByteString }
  | { readonly kind: "problem"; readonly problem: Problem }
  | { readonly kind: "end" }
  | {
      readonly kind: "failed";
      readonly errorKind: ErrorKind;
      readonly message: string;
      readonly hint: string | undefined;
      readonly details: BackupError["details"];
    };

/** To the thread: first what it is to walk, then how many more batches it may send. */
export type ToWalk = WalkOptions | number;

/** Batches asked for at once: each request may wake a thread, which costs more than a batch. */
export const batchesPerRequest = 8;
