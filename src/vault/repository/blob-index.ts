/**
 * Where every blob of a repository lies, in about 55 bytes a blob: rows in typed
 * arrays, found through a hash table of row numbers. Knows nothing of storages;
 * `load-index.ts` fills it.
 *
 * @module
 */

import { BackupError } from "../../domain/error.ts";
import { boxOverheadBytes } from "../../format/restic/crypto-box.ts";
import { fieldsPerRow, type ScannedIndex } from "../../format/restic/index-scan.ts";
import type { BlobType, IndexedPack, ObjectId, PackedBlob } from "../../format/restic/model.ts";
import type { BlobLookup, BlobPlace } from "./repository.ts";

const idBytes = 32;

/** SHA-256 of nothing. Index files do not tell whether such a blob is compressed; some programs do compress it. */
const emptyId = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

/** Rows that are allocated at once: 3 MB, so that growing never copies much; the first segment begins small. */
const rowsPerSegment = 65_536;
const rowsAtFirst = 1_024;
const rowBits = 16;
const rowMask = rowsPerSegment - 1;

/** The hash table is at most this full; above, chains of linear probing grow quickly. */
const fullMax = 0.7;
const slotsAtFirst = 1_024;
/** More than any repository has blobs; keeps a wrong guess from taking all memory. */
const slotsMax = 2 ** 24;

const treeFlag = 0x8000_0000;

interface Segment {
  readonly ids: Buffer;
  /** Number of the pack, with the type in the highest bit. */
  readonly packs: Uint32Array;
  readonly offsets: Uint32Array;
  readonly lengths: Uint32Array;
  /** Plain size of compressed blobs, 0 for others. Of an empty one its length says whether it is compressed. */
  readonly uncompressed: Uint32Array;
}

/**
 * All blobs that indexes list. Grows only: an index that is to forget is loaded again.
 * What is added to one that stands on another leaves the other as it is.
 */
export class BlobIndex implements BlobLookup {
  readonly #base: BlobIndex | undefined;
  readonly #segments: Segment[] = [];
  readonly #packIds: ObjectId[] = [];
  readonly #packNumbers = new Map<ObjectId, number>();
  /** Row numbers plus 1; 0 is a free slot. */
  #slots = new Uint32Array(slotsAtFirst);
  #rows = 0;
  readonly #wanted = Buffer.alloc(idBytes);

  /** @param base Whose blobs and packs are in this one too; it may grow, but is not added to through this one */
  constructor(base?: BlobIndex) {
    this.#base = base;
  }

  /** Rows, so a blob in two packs counts twice. */
  get size(): number {
    return this.#rows + (this.#base?.size ?? 0);
  }

  get packCount(): number {
    return this.#packIds.length + (this.#base?.packCount ?? 0);
  }

  has(id: ObjectId, type: BlobType): boolean {
    return this.#firstRow(id, type) !== undefined || (this.#base?.has(id, type) ?? false);
  }

  /** {@link has} of the raw id that stands in `ids` from `at` on. */
  hasRaw(ids: Uint8Array, at: number, type: BlobType): boolean {
    if (this.#rows > 0) {
      for (let i = 0; i < idBytes; i++) this.#wanted[i] = ids[at + i] ?? 0;
      if (this.#match(type, firstSlot(ids, at, this.#slots.length)) >= 0) return true;
    }
    return this.#base?.hasRaw(ids, at, type) ?? false;
  }

  hasPack(id: ObjectId): boolean {
    return this.#packNumbers.has(id) || (this.#base?.hasPack(id) ?? false);
  }

  find(id: ObjectId, type: BlobType): BlobPlace | undefined {
    const row = this.#firstRow(id, type);
    return row === undefined ? this.#base?.find(id, type) : this.#place(row);
  }

  findAll(id: ObjectId, type: BlobType): readonly BlobPlace[] {
    const own = this.#rowsOf(id, type).map((row) => this.#place(row));
    return this.#base === undefined ? own : [...this.#base.findAll(id, type), ...own];
  }

  /**
   * Adds a pack with its blobs. Listed twice, as indexes may, it is there once.
   *
   * @throws {BackupError} `damaged` for numbers that no pack can have
   */
  add(pack: IndexedPack): void {
    for (const blob of pack.blobs) checkBlob(pack.id, blob);
    const isNew = !this.hasPack(pack.id);
    const number = this.#numberOf(pack.id);
    for (const blob of pack.blobs) {
      if (isNew || !this.#isListed(blob, pack.id)) this.#addRow(blob, number);
    }
  }

  #numberOf(pack: ObjectId): number {
    const known = this.#packNumbers.get(pack);
    if (known !== undefined) return known;
    const number = this.#packIds.push(pack) - 1;
    this.#packNumbers.set(pack, number);
    return number;
  }

  /** Adds a whole index file. As {@link add} of each of its packs, and many times as fast. */
  addScanned(scanned: ScannedIndex): void {
    for (const [i, id] of scanned.packs.entries()) {
      const [first, end] = [scanned.starts[i] ?? 0, scanned.starts[i + 1] ?? 0];
      if (this.hasPack(id)) {
        this.add({ id, blobs: scannedBlobs(scanned, first, end) });
        continue;
      }
      const number = this.#numberOf(id);
      for (let from = first; from < end; from++) this.#addScannedRow(scanned, from, number);
    }
  }

  /** Makes the hash table large enough for so many rows at once, rather than by doubling. */
  reserve(rows: number): void {
    let slots = this.#slots.length;
    while (rows > slots * fullMax && slots < slotsMax) slots *= 2;
    if (slots > this.#slots.length) this.#growSlots(slots);
  }

  /** Every pack with its blobs in the order of their offsets. Holds 4 bytes a blob meanwhile. */
  *packs(): IterableIterator<IndexedPack> {
    if (this.#base !== undefined) yield* this.#base.packs();
    const { order, starts } = this.#rowsByPack();
    for (const [number, id] of this.#packIds.entries()) {
      const rows = order.subarray(starts[number], starts[number + 1]);
      const blobs = Array.from(rows, (row) => this.#blob(row));
      yield { id, blobs: blobs.sort((a, b) => a.offset - b.offset) };
    }
  }

  /** Every row's id and type, for sets that are shared with workers. The bytes are valid until the next. */
  *rawIds(): IterableIterator<{ readonly id: Buffer; readonly type: BlobType }> {
    if (this.#base !== undefined) yield* this.#base.rawIds();
    for (let row = 0; row < this.#rows; row++) {
      const { ids, packs } = this.#segment(row);
      const at = (row & rowMask) * idBytes;
      yield { id: ids.subarray(at, at + idBytes), type: typeOf(packs[row & rowMask] ?? 0) };
    }
  }

  #isListed(blob: PackedBlob, pack: ObjectId): boolean {
    return this.findAll(blob.id, blob.type).some((one) => one.pack === pack && one.offset === blob.offset);
  }

  #addRow(blob: PackedBlob, packNumber: number): void {
    const row = this.#rows;
    const segment = this.#segmentFor(row);
    const i = row & rowMask;
    segment.ids.write(blob.id, i * idBytes, "hex");
    segment.packs[i] = blob.type === "tree" ? packNumber + treeFlag : packNumber;
    segment.offsets[i] = blob.offset;
    segment.lengths[i] = blob.length;
    segment.uncompressed[i] = blob.uncompressedLength ?? 0;
    this.#rowAdded(row);
  }

  #addScannedRow({ ids, fields }: ScannedIndex, from: number, packNumber: number): void {
    const row = this.#rows;
    const segment = this.#segmentFor(row);
    const i = row & rowMask;
    const field = from * fieldsPerRow;
    segment.ids.set(ids.subarray(from * idBytes, (from + 1) * idBytes), i * idBytes);
    segment.packs[i] = fields[field] === 1 ? packNumber + treeFlag : packNumber;
    segment.offsets[i] = fields[field + 1] ?? 0;
    segment.lengths[i] = fields[field + 2] ?? 0;
    segment.uncompressed[i] = fields[field + 3] ?? 0;
    this.#rowAdded(row);
  }

  #rowAdded(row: number): void {
    this.#rows++;
    if (this.#rows > this.#slots.length * fullMax) this.#growSlots(this.#slots.length * 2);
    else this.#takeSlot(this.#slots, row);
  }

  #growSlots(count: number): void {
    const slots = new Uint32Array(count);
    for (let row = 0; row < this.#rows; row++) this.#takeSlot(slots, row);
    this.#slots = slots;
  }

  #takeSlot(slots: Uint32Array, row: number): void {
    const { ids } = this.#segment(row);
    let slot = firstSlot(ids, (row & rowMask) * idBytes, slots.length);
    while (slots[slot] !== 0) slot = (slot + 1) & (slots.length - 1);
    slots[slot] = row + 1;
  }

  #firstRow(id: ObjectId, type: BlobType): number | undefined {
    const slot = this.#firstSlotOf(id);
    const taken = slot < 0 ? slot : this.#match(type, slot);
    return taken < 0 ? undefined : (this.#slots[taken] ?? 0) - 1;
  }

  #rowsOf(id: ObjectId, type: BlobType): readonly number[] {
    const rows: number[] = [];
    let slot = this.#firstSlotOf(id);
    if (slot >= 0) slot = this.#match(type, slot);
    for (; slot >= 0; slot = this.#match(type, (slot + 1) & (this.#slots.length - 1))) {
      rows.push((this.#slots[slot] ?? 0) - 1);
    }
    return rows;
  }

  /** Where the search for an id begins, which is then in `#wanted`; -1 for what is no id. */
  #firstSlotOf(id: ObjectId): number {
    if (id.length !== 2 * idBytes || this.#wanted.write(id, "hex") !== idBytes) return -1;
    return firstSlot(this.#wanted, 0, this.#slots.length);
  }

  /** The first slot from `slot` on whose row is `#wanted`; -1 where there is none. */
  #match(type: BlobType, slot: number): number {
    let at = slot;
    for (let taken = this.#slots[at] ?? 0; taken !== 0; taken = this.#slots[at] ?? 0) {
      const { ids, packs } = this.#segment(taken - 1);
      const i = (taken - 1) & rowMask;
      if (this.#isWanted(ids, i * idBytes) && typeOf(packs[i] ?? 0) === type) return at;
      at = (at + 1) & (this.#slots.length - 1);
    }
    return -1;
  }

  /** Compared in place: a call of `Buffer.compare` takes four times as long. */
  #isWanted(ids: Buffer, at: number): boolean {
    const wanted = this.#wanted;
    for (let i = 0; i < idBytes; i++) if (wanted[i] !== ids[at + i]) return false;
    return true;
  }

  #place(row: number): BlobPlace {
    const number = ((this.#segment(row).packs[row & rowMask] ?? 0) & ~treeFlag) >>> 0;
    return { ...this.#blob(row), pack: this.#packIds[number] ?? "" };
  }

  #blob(row: number): PackedBlob {
    const segment = this.#segment(row);
    const i = row & rowMask;
    const uncompressed = segment.uncompressed[i] ?? 0;
    const id = segment.ids.toString("hex", i * idBytes, (i + 1) * idBytes);
    const length = segment.lengths[i] ?? 0;
    const isCompressed = uncompressed > 0 || (id === emptyId && length > boxOverheadBytes);
    return {
      id,
      type: typeOf(segment.packs[i] ?? 0),
      offset: segment.offsets[i] ?? 0,
      length,
      ...(isCompressed ? { uncompressedLength: uncompressed } : {}),
    };
  }

  /** Row numbers sorted by pack, and where each pack's begin. */
  #rowsByPack(): { readonly order: Uint32Array; readonly starts: Uint32Array } {
    const starts = new Uint32Array(this.#packIds.length + 1);
    const packOf = (row: number): number =>
      ((this.#segment(row).packs[row & rowMask] ?? 0) & ~treeFlag) >>> 0;
    for (let row = 0; row < this.#rows; row++) increment(starts, packOf(row) + 1);
    for (let i = 1; i < starts.length; i++) starts[i] = (starts[i] ?? 0) + (starts[i - 1] ?? 0);
    const next = starts.slice();
    const order = new Uint32Array(this.#rows);
    for (let row = 0; row < this.#rows; row++) order[increment(next, packOf(row)) - 1] = row;
    return { order, starts };
  }

  /** The segment that a new row comes into. */
  #segmentFor(row: number): Segment {
    const number = row >> rowBits;
    const existing = this.#segments[number];
    const room = existing?.packs.length ?? 0;
    if (existing !== undefined && (row & rowMask) < room) return existing;
    const segment = newSegment(number === 0 ? Math.max(rowsAtFirst, room * 4) : rowsPerSegment);
    if (existing !== undefined) copySegment(existing, segment);
    this.#segments[number] = segment;
    return segment;
  }

  #segment(row: number): Segment {
    const segment = this.#segments[row >> rowBits];
    if (segment === undefined) throw new RangeError(`no row ${row}`);
    return segment;
  }
}

/** Ids are hashes already, so four bytes of one spread as well as anything. The number of slots is a power of two. */
function firstSlot(ids: Uint8Array, at: number, slots: number): number {
  return readWord(ids, at) & (slots - 1);
}

function readWord(bytes: Uint8Array, at: number): number {
  return (
    (bytes[at] ?? 0) |
    ((bytes[at + 1] ?? 0) << 8) |
    ((bytes[at + 2] ?? 0) << 16) |
    ((bytes[at + 3] ?? 0) << 24)
  );
}

function increment(counts: Uint32Array, i: number): number {
  const count = (counts[i] ?? 0) + 1;
  counts[i] = count;
  return count;
}

function typeOf(packField: number): BlobType {
  return packField >= treeFlag ? "tree" : "data";
}

function newSegment(rows: number): Segment {
  return {
    ids: Buffer.alloc(rows * idBytes),
    packs: new Uint32Array(rows),
    offsets: new Uint32Array(rows),
    lengths: new Uint32Array(rows),
    uncompressed: new Uint32Array(rows),
  };
}

function copySegment(from: Segment, to: Segment): void {
  to.ids.set(from.ids);
  to.packs.set(from.packs);
  to.offsets.set(from.offsets);
  to.lengths.set(from.lengths);
  to.uncompressed.set(from.uncompressed);
}

function scannedBlobs({ ids, fields }: ScannedIndex, first: number, end: number): readonly PackedBlob[] {
  return Array.from({ length: end - first }, (_, i) => {
    const row = first + i;
    const [type, offset = 0, length = 0, uncompressedLength = 0] = fields.subarray(row * fieldsPerRow);
    const id = Buffer.from(ids.subarray(row * idBytes, (row + 1) * idBytes)).toString("hex");
    const blob = { id, type: type === 1 ? ("tree" as const) : ("data" as const), offset, length };
    return uncompressedLength === 0 ? blob : { ...blob, uncompressedLength };
  });
}

function checkBlob(pack: ObjectId, blob: PackedBlob): void {
  const { id, offset, length, uncompressedLength = 0 } = blob;
  const isPlace = offset >>> 0 === offset && length >>> 0 === length;
  if (isPlace && uncompressedLength >>> 0 === uncompressedLength && id.length === 2 * idBytes) return;
  throw new BackupError("damaged", `Cannot index pack ${pack}: blob ${id} lies where none can lie`);
}
