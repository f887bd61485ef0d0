/**
 * An open repository: its storage, its key, and what its `config` says. Every file
 * of this folder works on it; `open-repository.ts` makes one.
 *
 * @module
 */

import type { Clock } from "../../domain/clock.ts";
import type { ThisMachine } from "../../domain/run-owner.ts";
import type { BlobType, ConfigDocument, MasterKey, ObjectId, PackedBlob } from "../../format/restic/model.ts";
import type { Storage } from "../../storage/storage.ts";
import type { SpareWorkers } from "./read/spare-workers.ts";

export interface Repository {
  readonly storage: Storage;
  readonly key: MasterKey;
  /** Id of the key file that opened it. */
  readonly keyId: ObjectId;
  readonly config: ConfigDocument;
  readonly machine: ThisMachine;
  readonly clock: Clock;
  readonly toolVersion: string;
  /** Threads for whoever is going to read much. */
  readonly spareWorkers?: SpareWorkers;
}

/** Where a blob lies. */
export interface BlobPlace extends PackedBlob {
  readonly pack: ObjectId;
}

/** What the indexes of a repository say. One blob may lie in several packs. */
export interface BlobLookup {
  find(id: ObjectId, type: BlobType): BlobPlace | undefined;
  findAll(id: ObjectId, type: BlobType): readonly BlobPlace[];
}
