/**
 * Reads trees by their ids. Trees that are read one after the other mostly lie side
 * by side in a few packs: from the second one on, a pack is read in segments that
 * are kept, so that a folder does not cost a request.
 *
 * @module
 */

import type { BackupError } from "../../../domain/error.ts";
import { isBackupError } from "../../../domain/error.ts";
import type { ObjectId, TreeNode } from "../../../format/restic/model.ts";
import { parseTree } from "../../../format/restic/tree.ts";
import { packName } from "../objects.ts";
import type { BlobLookup, BlobPlace, Repository } from "../repository.ts";
import { type BlobFetcher, blobError, findBlob } from "./blob-fetch.ts";
import { plainLengthOf, takeBlob } from "./decode-blobs.ts";

/** One request fetches a few hundred trees of some files each. */
const segmentBytes = 1024 * 1024;

/** Segments kept: a whole pack of trees and the one after it. */
const segmentsMax = 24;

/**
 * Nodes kept as they were parsed: a restore goes through all of them three times, and parsing is most of what
 * that takes. A node takes half a kilobyte or more.
 */
const keptNodesMax = 25_000;

/** What is known of a pack of trees. */
interface TreePack {
  /** Asked for with the second tree. */
  size: Promise<number> | undefined;
}

/** Trees as they were parsed, those used longest ago first. A tree's id says all that is in it. */
export class KeptTrees {
  readonly #trees = new Map<ObjectId, readonly TreeNode[]>();
  #nodes = 0;

  get(id: ObjectId): readonly TreeNode[] | undefined {
    const nodes = this.#trees.get(id);
    if (nodes === undefined) return undefined;
    this.#trees.delete(id);
    this.#trees.set(id, nodes);
    return nodes;
  }

  add(id: ObjectId, nodes: readonly TreeNode[]): void {
    if (nodes.length > keptNodesMax || this.#trees.has(id)) return;
    this.#trees.set(id, nodes);
    // An empty one takes memory too.
    this.#nodes += nodes.length + 1;
    for (const [first, dropped] of this.#trees) {
      if (this.#nodes <= keptNodesMax) return;
      this.#trees.delete(first);
      this.#nodes -= dropped.length + 1;
    }
  }
}

export class TreeSource {
  readonly #repo: Pick<Repository, "storage" | "key">;
  readonly #index: BlobLookup;
  readonly #fetcher: BlobFetcher;
  readonly #packs = new Map<ObjectId, TreePack>();
  /** Least recently used first. */
  readonly #segments = new Map<string, Promise<Uint8Array>>();
  readonly #kept: KeptTrees;
  #bytesRead = 0;

  /** @param kept Trees that were read before; an empty one where all are to be read again */
  constructor(
    repo: Pick<Repository, "storage" | "key">,
    index: BlobLookup,
    fetcher: BlobFetcher,
    kept: KeptTrees,
  ) {
    this.#repo = repo;
    this.#index = index;
    this.#fetcher = fetcher;
    this.#kept = kept;
  }

  /** Plain bytes of the trees that were read. */
  get bytesRead(): number {
    return this.#bytesRead;
  }

  /**
   * The nodes of a tree, verified (I6).
   *
   * @param reading What it is the tree of, for messages
   * @throws {BackupError} `damaged`
   */
  async load(id: ObjectId, reading: () => string, signal: AbortSignal): Promise<readonly TreeNode[]> {
    signal.throwIfAborted();
    const known = this.#kept.get(id);
    if (known !== undefined) return known;
    const nodes = await this.loadAs(id, parseTree, reading, signal);
    this.#kept.add(id, nodes);
    return nodes;
  }

  /**
   * As {@link load}, for callers that take from the verified bytes of a tree what they need, and keep it themselves.
   *
   * @param parse Throws `damaged` for what makes no sense
   */
  async loadAs<T>(
    id: ObjectId,
    parse: (plain: Uint8Array) => T,
    reading: () => string,
    signal: AbortSignal,
  ): Promise<T> {
    signal.throwIfAborted();
    const place = findBlob(this.#index, id, "tree");
    if ("message" in place) throw blobError(place, reading());
    const plain = (await this.#fromSegments(place, signal)) ?? (await this.#fetch(place, reading, signal));
    this.#bytesRead += plain.length;
    try {
      return parse(plain);
    } catch (error) {
      if (!isBackupError(error, "damaged")) throw error;
      throw unreadableTree(place, reading(), error);
    }
  }

  /** Starts reading what a later {@link load} will need. Its failure is that call's. */
  prefetch(id: ObjectId, signal: AbortSignal): void {
    const place = this.#index.find(id, "tree");
    const pack = place && this.#packs.get(place.pack);
    if (place === undefined || pack === undefined || place.length > segmentBytes) return;
    for (const segment of segmentsOf(place)) {
      if (!this.#segments.has(segmentKey(place.pack, segment)))
        this.#segment(place.pack, pack, segment, signal).catch(() => undefined);
    }
  }

  /** Undefined where it is to be fetched by itself: the first of its pack, a large one, one that fails its checks. */
  async #fromSegments(place: BlobPlace, signal: AbortSignal): Promise<Uint8Array | undefined> {
    const pack = this.#packs.get(place.pack);
    if (pack === undefined) this.#packs.set(place.pack, { size: undefined });
    if (pack === undefined || place.length > segmentBytes) return undefined;
    try {
      const parts = await Promise.all(
        segmentsOf(place).map((segment) => this.#segment(place.pack, pack, segment, signal)),
      );
      return takeBlob(this.#repo.key, boxIn(parts, place), place);
    } catch (error) {
      if (isBackupError(error, "damaged", "not-found")) return undefined;
      throw error;
    }
  }

  #segment(id: ObjectId, pack: TreePack, segment: number, signal: AbortSignal): Promise<Uint8Array> {
    const key = segmentKey(id, segment);
    const known = this.#segments.get(key);
    const bytes = known ?? this.#readSegment(id, pack, segment, signal);
    this.#segments.delete(key);
    this.#segments.set(key, bytes);
    if (known === undefined) {
      dropFirst(this.#segments, segmentsMax);
      // One that failed is asked for again by whoever needs it; a prefetch has nobody waiting.
      bytes.catch(() => this.#segments.delete(key));
    }
    return bytes;
  }

  async #readSegment(
    id: ObjectId,
    pack: TreePack,
    segment: number,
    signal: AbortSignal,
  ): Promise<Uint8Array> {
    const name = packName(id);
    pack.size ??= this.#repo.storage.stat(name, signal).then((found) => found?.sizeBytes ?? 0);
    pack.size.catch(() => {
      pack.size = undefined;
    });
    const offset = segment * segmentBytes;
    const length = Math.min(segmentBytes, (await pack.size) - offset);
    const bytes = Buffer.allocUnsafeSlow(Math.max(0, length));
    let at = 0;
    if (length <= 0) return bytes;
    for await (const piece of this.#repo.storage.get(name, { offset, length }, signal)) {
      bytes.set(piece.subarray(0, length - at), at);
      at += piece.length;
    }
    return bytes;
  }

  async #fetch(place: BlobPlace, reading: () => string, signal: AbortSignal): Promise<Uint8Array> {
    const target = new ArrayBuffer(plainLengthOf(place));
    const failures = await this.#fetcher.load([{ place, at: 0 }], target, signal);
    for (const failure of failures.values()) throw blobError(failure, reading());
    return new Uint8Array(target);
  }
}

function unreadableTree(place: BlobPlace, reading: string, cause: BackupError): BackupError {
  const message = `tree ${place.id} of pack ${place.pack} makes no sense: ${cause.message}`;
  const failure = { id: place.id, type: "tree", pack: place.pack, message } as const;
  return blobError(failure, reading);
}

/** The one or two segments a blob that fits into one lies in. */
function segmentsOf({ offset, length }: BlobPlace): readonly number[] {
  const first = Math.floor(offset / segmentBytes);
  const last = Math.floor((offset + length - 1) / segmentBytes);
  return first === last ? [first] : [first, last];
}

function segmentKey(pack: ObjectId, segment: number): string {
  return `${pack}/${segment}`;
}

function boxIn(parts: readonly Uint8Array[], { offset, length }: BlobPlace): Uint8Array {
  const start = offset % segmentBytes;
  const [only] = parts;
  if (parts.length === 1 && only !== undefined) return only.subarray(start, start + length);
  return Buffer.concat(parts).subarray(start, start + length);
}

function dropFirst(map: Map<string, unknown>, sizeMax: number): void {
  for (const key of map.keys()) {
    if (map.size <= sizeMax) return;
    map.delete(key);
  }
}
