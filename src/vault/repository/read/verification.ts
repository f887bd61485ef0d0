/**
 * One verification of one backup: which blobs it needs, whether they are there,
 * and which files need those that are not.
 *
 * @module
 */

import type { BackupError } from "../../../domain/error.ts";
import { isBackupError } from "../../../domain/error.ts";
import { Permits } from "../../../encode/permits.ts";
import { manifestFileName, ownFolderName } from "../../../format/restic/manifest.ts";
import type { ObjectId, TreeNode } from "../../../format/restic/model.ts";
import { boundedMap } from "../../bounded-map.ts";
import type { Damage, VerifyOptions } from "../../vault.ts";
import { databaseNode, type OpenedBackup } from "../backup-reader.ts";
import { BlobSet } from "../maintenance/blob-set.ts";
import { DamageList } from "../maintenance/damage-list.ts";
import { headerFrameBytes } from "../maintenance/pack-bytes.ts";
import { ProgressMeter } from "../maintenance/progress-meter.ts";
import { listObjects, packName } from "../objects.ts";
import type { Repository } from "../repository.ts";
import { type BlobFailure, findBlob } from "./blob-fetch.ts";
import type { WantedBlob } from "./blob-ranges.ts";
import { plainLengthOf } from "./decode-blobs.ts";
import { shownPath, walkEntries } from "./open-snapshot.ts";
import { wrongSize } from "./read-ahead.ts";
import { componentsOf, resolvePath } from "./resolve-path.ts";
import { LeftOut } from "./stored-entries.ts";

/** Packs asked for one by one; of more than these all are listed, a thousand a request. */
const singlePacksMax = 256;

/** Stored bytes asked for at once, and how often at the same time. */
const windowBytes = 16 * 1024 * 1024;
const windowsAtOnce = 2;

export interface VerificationCounts {
  readonly bytesRead: number;
  readonly entriesChecked: number;
}

export class Verification {
  readonly #repo: Repository;
  readonly #opened: OpenedBackup;
  readonly #options: VerifyOptions;
  readonly #damages = new DamageList();
  readonly #leftOut = new LeftOut();
  readonly #needed = new BlobSet();
  /** Of each pack the ordinals in `#needed` of its blobs, and how far it must reach. */
  readonly #packs = new Map<ObjectId, { readonly ordinals: number[]; end: number }>();
  readonly #lost = new Map<ObjectId, BlobFailure>();
  #bytesNeeded = 0;
  #entries = 0;

  constructor(repo: Repository, opened: OpenedBackup, options: VerifyOptions) {
    this.#repo = repo;
    this.#opened = opened;
    this.#options = options;
  }

  async run(signal: AbortSignal): Promise<VerificationCounts> {
    await this.#visit((node, shown) => this.#collect(node, shown), true, signal);
    for (const problem of this.#leftOut.list()) this.#options.observer.problem(problem);
    const short = await this.#findShortPacks(signal);
    const bytesRead = this.#options.depth === "content" ? await this.#readAll(signal) : 0;
    if (this.#options.depth === "stored") this.#loseBlobsOf(short);
    if (this.#lost.size > 0) await this.#visit((node, shown) => this.#name(node, shown), false, signal);
    return { bytesRead: bytesRead + this.#opened.reading.trees.bytesRead, entriesChecked: this.#entries };
  }

  report(damage: Damage): void {
    this.#options.onDamage?.(damage);
    this.#damages.add(damage.object, damage.message, damage.path);
  }

  /** Reports what follows from other damage only where there is none. */
  reportOnce(damage: Damage): void {
    if (this.#damages.isEmpty) this.report(damage);
  }

  result(): { readonly ok: boolean; readonly damages: readonly Damage[] } {
    return { ok: this.#damages.isEmpty, damages: this.#damages.all() };
  }

  /** Every file with bytes: those of the roots, the databases, the manifest. */
  async #visit(
    visitor: (node: TreeNode, shown: string) => void,
    isFirst: boolean,
    signal: AbortSignal,
  ): Promise<void> {
    const { reading, roots } = this.#opened;
    const listener = {
      leftOut: this.#leftOut,
      onDamage: (shown: string, error: BackupError): void => {
        if (isFirst) this.report({ object: objectOf(error), path: shown, message: error.message });
      },
    };
    for await (const found of walkEntries(reading, roots, listener, signal)) {
      for (const { entry, node } of found) {
        if (isFirst) this.#entries++;
        if (entry.kind === "file") visitor(node, shownPath(entry.root, entry.path));
      }
    }
    await this.#visitOwn(visitor, isFirst, signal);
  }

  async #visitOwn(
    visitor: (node: TreeNode, shown: string) => void,
    isFirst: boolean,
    signal: AbortSignal,
  ): Promise<void> {
    const { reading, found, described } = this.#opened;
    const { manifest } = described;
    if (manifest === undefined) return;
    const visitOne = async (shown: string, find: () => Promise<TreeNode | undefined>): Promise<void> => {
      try {
        const node = await find();
        if (node !== undefined) visitor(node, shown);
      } catch (error) {
        if (!isBackupError(error, "damaged")) throw error;
        if (isFirst) this.report({ object: objectOf(error), path: shown, message: error.message });
      }
    };
    const own = componentsOf(`${ownFolderName}/${manifestFileName}`);
    await visitOne(manifestFileName, () => resolvePath(reading.trees, found.document.tree, own, "", signal));
    for (const { name } of this.#options.only === "storage" ? [] : manifest.databases) {
      await visitOne(name, () => databaseNode(reading, found, manifest, name, signal));
    }
  }

  /** Notes the blobs of a file, and compares their lengths with its own. */
  #collect(node: TreeNode, shown: string): void {
    let bytes = 0;
    let isWhole = true;
    for (const id of node.content ?? []) {
      const place = findBlob(this.#opened.reading.index, id, "data");
      if ("message" in place) {
        this.#lost.set(id, place);
        isWhole = false;
        continue;
      }
      bytes += plainLengthOf(place);
      if (!this.#needed.add(id, "data")) continue;
      this.#bytesNeeded += place.length;
      const pack = this.#packs.get(place.pack) ?? { ordinals: [], end: 0 };
      pack.ordinals.push(this.#needed.size - 1);
      pack.end = Math.max(pack.end, place.offset + place.length);
      this.#packs.set(place.pack, pack);
    }
    if (!isWhole || bytes === node.sizeBytes) return;
    const { message } = wrongSize(shown, bytes, node.sizeBytes);
    this.report({ object: this.#snapshotName(), path: shown, message });
  }

  #snapshotName(): string {
    return `snapshots/${this.#opened.found.snapshotId}`;
  }

  /** Packs that are missing, or too small for what the index says of them; with what is wrong. */
  async #findShortPacks(signal: AbortSignal): Promise<ReadonlyMap<ObjectId, number>> {
    const sizes = await this.#packSizes(signal);
    const short = new Map<ObjectId, number>();
    for (const [id, { end }] of this.#packs) {
      const size = sizes.get(id);
      if (size !== undefined && size >= end + headerFrameBytes) continue;
      short.set(id, size ?? 0);
      const message =
        size === undefined ? "it is missing" : `it has ${size} bytes, and must have more than ${end}`;
      this.report({ object: packName(id), message });
    }
    return short;
  }

  async #packSizes(signal: AbortSignal): Promise<ReadonlyMap<ObjectId, number>> {
    const sizes = new Map<ObjectId, number>();
    if (this.#packs.size > singlePacksMax) {
      for (const { id, sizeBytes } of await listObjects(this.#repo, "data", signal)) sizes.set(id, sizeBytes);
      return sizes;
    }
    await boundedMap(
      [...this.#packs.keys()],
      async (id) => {
        const found = await this.#repo.storage.stat(packName(id), signal);
        if (found !== undefined) sizes.set(id, found.sizeBytes);
      },
      signal,
    );
    return sizes;
  }

  /** Blobs that no pack holds any more. */
  #loseBlobsOf(short: ReadonlyMap<ObjectId, number>): void {
    const { index } = this.#opened.reading;
    for (const pack of short.keys()) {
      for (const ordinal of this.#packs.get(pack)?.ordinals ?? []) {
        const { id } = this.#needed.at(ordinal);
        const isThere = index
          .findAll(id, "data")
          .some(
            (place) => (short.get(place.pack) ?? Number.POSITIVE_INFINITY) >= place.offset + place.length,
          );
        const message = `blob ${id} is lost with pack ${pack}`;
        if (!isThere) this.#lost.set(id, { id, type: "data", pack, message });
      }
    }
  }

  /** Reads every blob, pack by pack. */
  async #readAll(signal: AbortSignal): Promise<number> {
    const { observer } = this.#options;
    const meter = new ProgressMeter(observer, this.#repo.clock, "verify", { bytes: this.#bytesNeeded });
    const permits = new Permits(windowsAtOnce);
    const running = new Set<Promise<void>>();
    let failure: { readonly error: unknown } | undefined;
    for (const window of this.#windows()) {
      if (failure !== undefined) break;
      const bytes = window.reduce((sum, { place }) => sum + place.length, 0);
      const run = permits
        .run(async () => {
          signal.throwIfAborted();
          const failures = await this.#opened.reading.fetcher.load(window, undefined, signal);
          for (const lost of failures.values()) this.#lost.set(lost.id, lost);
          meter.add(0, bytes);
        })
        .catch((error: unknown) => {
          failure ??= { error };
        })
        .finally(() => running.delete(run));
      running.add(run);
      // The next window is made when there is room for it: all of them at once would be a second index.
      if (running.size > windowsAtOnce) await Promise.race(running);
    }
    await Promise.all(running);
    if (failure !== undefined) throw failure.error;
    meter.finish();
    return meter.bytes;
  }

  /** What is read at once: neighbours, because packs come one after the other. */
  *#windows(): Generator<readonly WantedBlob[]> {
    let window: WantedBlob[] = [];
    let bytes = 0;
    for (const { ordinals } of this.#packs.values()) {
      for (const ordinal of ordinals) {
        const place = this.#opened.reading.index.find(this.#needed.at(ordinal).id, "data");
        if (place === undefined) continue;
        window.push({ place, at: 0 });
        bytes += place.length;
      }
      // Not within a pack: its blobs are in the order of files here, and are to be read in that of the pack.
      if (bytes < windowBytes) continue;
      yield window;
      window = [];
      bytes = 0;
    }
    if (window.length > 0) yield window;
  }

  /** Reports a file that needs something lost: once, by the first. */
  #name(node: TreeNode, shown: string): void {
    for (const id of node.content ?? []) {
      const lost = this.#lost.get(id);
      if (lost === undefined) continue;
      const object = lost.pack === undefined ? this.#snapshotName() : packName(lost.pack);
      this.report({ object, path: shown, message: lost.message });
      return;
    }
  }
}

/** The object in the vault that an error is about, as far as it says. */
function objectOf({ details }: BackupError): string {
  const { pack } = details;
  return typeof pack === "string" ? packName(pack) : "index";
}
