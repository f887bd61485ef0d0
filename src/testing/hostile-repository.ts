/**
 * Repositories made by somebody who has the key: every document is sealed and hashed
 * as it should be, and says what no program would write.
 *
 * @module
 */

import { hash } from "node:crypto";
import { compress } from "../encode/zstd.ts";
import { sealBox } from "../format/restic/crypto-box.ts";
import type { BlobType, ObjectId, PackedBlob } from "../format/restic/model.ts";
import { encodePackHeader } from "../format/restic/pack-header.ts";
import { packName, saveObject } from "../vault/repository/objects.ts";
import type { Repository } from "../vault/repository/repository.ts";
import { signal } from "./vault-probe.ts";

/** JSON that may be anything. */
export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json };

/** What may be said of a blob that is not so. */
export interface BlobLies {
  readonly uncompressedLength?: number;
  readonly length?: number;
  readonly offset?: number;
  readonly id?: ObjectId;
}

/** Collects blobs in one pack, then writes the pack, an index over it, and snapshots. */
export class RawRepository {
  readonly #repo: Repository;
  readonly #boxes: Buffer[] = [];
  readonly #told: PackedBlob[] = [];
  readonly #listed: PackedBlob[] = [];
  #offset = 0;

  constructor(repo: Repository) {
    this.#repo = repo;
  }

  /** Returns the id by which documents can name it. */
  blob(type: BlobType, plain: Uint8Array, lies: BlobLies = {}): ObjectId {
    const id = lies.id ?? hash("sha256", plain, "hex");
    const box = sealBox(this.#repo.key, compress(plain));
    const blob: PackedBlob = {
      id,
      type,
      offset: this.#offset,
      length: box.length,
      uncompressedLength: plain.length,
    };
    this.#boxes.push(box);
    this.#told.push({ ...blob, id });
    this.#listed.push({ ...blob, ...lies });
    this.#offset += box.length;
    return id;
  }

  tree(document: Json): ObjectId {
    return this.blob("tree", Buffer.from(`${JSON.stringify(document)}\n`));
  }

  file(text: string): ObjectId {
    return this.blob("data", Buffer.from(text));
  }

  /** Writes the pack and its index. @param change what the index says instead */
  async store(change: (index: Json) => Json = (index) => index): Promise<void> {
    const header = sealBox(this.#repo.key, encodePackHeader(this.#told));
    const length = Buffer.alloc(4);
    length.writeUInt32LE(header.length);
    const pack = Buffer.concat([...this.#boxes, header, length]);
    const id = hash("sha256", pack, "hex");
    await this.#repo.storage.put(packName(id), pack, signal);
    const blobs = this.#listed.map(({ uncompressedLength = 0, ...blob }) => ({
      ...blob,
      uncompressed_length: uncompressedLength,
    }));
    await this.document("index", change({ packs: [{ id, blobs }] }));
  }

  async document(kind: "index" | "snapshots" | "locks", document: Json): Promise<ObjectId> {
    return await saveObject(this.#repo, kind, Buffer.from(JSON.stringify(document)), signal);
  }
}

const someTime = "2024-06-01T12:00:00.123456789+02:00";

/** A node of a tree with everything a real one has. */
export function rawNode(name: string, type: string, more: { readonly [key: string]: Json }): Json {
  const times = { mtime: someTime, atime: someTime, ctime: someTime };
  const owner = { uid: 0, gid: 0, user: "root", group: "root" };
  return { name, type, mode: 0o644, ...times, ...owner, inode: 7, device_id: 1, links: 1, ...more };
}

export function rawSnapshot(
  tree: ObjectId,
  paths: readonly string[],
  more: { readonly [key: string]: Json } = {},
): Json {
  return { time: someTime, tree, paths, hostname: "evil", username: "root", ...more };
}
