/**
 * What the threads of a blob store and its owner say to each other. Plain data
 * that crosses threads; `store-pool.ts` and `store-worker.ts` speak it.
 *
 * @module
 */

import type { MessagePort } from "node:worker_threads";
import type { ByteString } from "../../../domain/byte-string.ts";
import type { ErrorKind } from "../../../domain/error.ts";
import type { MasterKey, ObjectId, PackedBlob } from "../../../format/restic/model.ts";
import type { SharedBlobSetParts } from "./shared-blob-set.ts";

/** What a thread is started with. */
export interface StoreWorkerData {
  readonly key: MasterKey;
  readonly chunkerPolynomial: bigint;
  readonly version: 1 | 2;
  readonly level: number;
  readonly known: SharedBlobSetParts;
  /** Int32: see {@link permitsAt} and {@link abortedAt}. BigInt64 at byte 8: bytes read so far. */
  readonly control: SharedArrayBuffer;
  /** Buffers of packs that are stored come back here. */
  readonly buffers: MessagePort;
  /** Beginning of the names of files that packs may be written to; undefined where there is no place for them. */
  readonly stagingPrefix: string | undefined;
}

/** Word of the control memory: packs that threads may still hand over before one is stored. */
export const permitsAt = 0;
/** Word of the control memory: not 0 once nothing more is to be done. */
export const abortedAt = 1;
/** Index in the control memory as 64-bit words. */
export const bytesReadAt = 1;
export const controlBytes = 16;

/** A part of a file, cut already. */
export interface Piece {
  readonly path: ByteString;
  readonly from: "path" | "image";
  readonly start: number;
  /** Of each blob, in order; without gaps from `start` on. */
  readonly lengths: readonly number[];
}

/**
 * - `files`: each whole, cut as restic cuts
 * - `cut`: says where a file would be cut, of chunks from `start` on that together have some `spanBytes`
 * - `piece`: a part, stored
 */
export type StoreWork =
  | { readonly kind: "files"; readonly paths: readonly ByteString[] }
  | { readonly kind: "cut"; readonly path: ByteString; readonly start: number; readonly spanBytes: number }
  | ({ readonly kind: "piece" } & Piece);

/** What became of a file or a piece of one. */
export type FileOutcome = StoredFile | UnstoredFile;

export interface StoredFile {
  readonly outcome: "stored";
  /** Blobs in order. */
  readonly content: readonly ObjectId[];
  readonly sizeBytes: number;
  /** It was not the same before and after it was read. */
  readonly changed: boolean;
}

interface UnstoredFile {
  readonly outcome: "unstored";
  readonly problem: "vanished" | "unreadable";
  readonly message: string;
}

export interface StoreResult {
  /** One for each file or piece; that of a `cut` has no content. */
  readonly outcomes: readonly FileOutcome[];
  /** As `file-facts.ts` packs them, for each outcome; zeros where it was not stored. */
  readonly facts: BigInt64Array<ArrayBuffer>;
  /** Of a `cut`: chunks in order, and whether the file ends with them. */
  readonly lengths: readonly number[];
  readonly isEnd: boolean;
}

/** A pack in memory, which is given back, or in a file, which is taken over. */
type PackContent =
  | { readonly buffer: ArrayBuffer; readonly length: number }
  | { readonly preparedFile: string };

export type ToStoreWorker =
  | { readonly kind: "work"; readonly id: number; readonly work: StoreWork }
  | { readonly kind: "flush" };

export type FromStoreWorker =
  | { readonly kind: "done"; readonly id: number; readonly result: StoreResult }
  /** Chunks found so far, beginning at `start`: the file is still being read. */
  | {
      readonly kind: "cuts";
      readonly id: number;
      readonly start: number;
      readonly lengths: readonly number[];
    }
  | {
      readonly kind: "pack";
      readonly id: ObjectId;
      readonly blobs: readonly PackedBlob[];
      readonly content: PackContent;
    }
  | { readonly kind: "flushed" }
  | { readonly kind: "failed"; readonly errorKind: ErrorKind; readonly message: string };
