/**
 * The scanner behind `tree-rows.ts`: takes a tree field by field, in the order in which
 * restic and we write them, and gives up at the first byte that is not as expected, such
 * as an escape, a field it does not know, or a name out of order.
 *
 * @module
 */

import { asByteString, type ByteString } from "../../domain/byte-string.ts";
import { isEntryName } from "./names.ts";
import { modeFromGo } from "./node.ts";
import { TreeBytes } from "./tree-bytes.ts";

/** What a scan found; row i of everything is node i. */
export interface ScannedRows {
  readonly bytes: Uint8Array;
  readonly count: number;
  readonly names: readonly ByteString[];
  /** See {@link rowNumbers}. */
  readonly numbers: Float64Array;
  /** Numbers of 64 bits, little-endian; see {@link rowWide}. */
  readonly wide: DataView;
  readonly owners: readonly RowOwner[];
  /** Raw ids of contents. */
  readonly ids: Uint8Array;
}

/** Whom a node says it belongs to. */
export interface RowOwner {
  readonly uid: number;
  readonly gid: number;
  readonly user: string;
  readonly group: string;
}

/** Columns of {@link ScannedRows.numbers}. */
export const rowNumbers = {
  kind: 0,
  mode: 1,
  /** Which of the owners. */
  owner: 2,
  sizeBytes: 3,
  links: 4,
  /** 1 where the time of access is written as that of the last change is. */
  sameAccess: 5,
  /** Where the node's text begins and ends. */
  start: 6,
  end: 7,
  /** Its content: the first of the ids, and how many; -1 where it has none. */
  firstId: 8,
  idCount: 9,
} as const;
export const numbersPerRow = 10;

/** Bytes into a row of {@link ScannedRows.wide}. */
export const rowWide = { mtime: 0, ctime: 8, inode: 16, device: 24 } as const;
export const widePerRow = 32;

export const rowKinds = { file: 0, dir: 1, symlink: 2 } as const;

export const idBytes = 32;

/** Nobody reads larger ones (`json-scan.ts`). */
const treeBytesMax = 500 * 1024 * 1024;
/** A folder with a name of one letter, an owner without names, and nothing in it. */
const nodeBytesMin = 149;
/** An id in quotes, and a comma. */
const idTextBytes = 67;
const nameBytesMax = 4096;
const uint32Max = 0xffff_ffff;

const quote = 34;
const comma = 44;
const slash = 47;
const openList = 91;
const backslash = 92;
const closeList = 93;
const close = 125;

const words = {
  head: Buffer.from('{"nodes":['),
  tail: Buffer.from("]}\n"),
  name: Buffer.from('{"name":"'),
  type: Buffer.from(',"type":"'),
  file: Buffer.from('file"'),
  dir: Buffer.from('dir"'),
  symlink: Buffer.from('symlink"'),
  mode: Buffer.from(',"mode":'),
  mtime: Buffer.from(',"mtime":"'),
  atime: Buffer.from(',"atime":"'),
  ctime: Buffer.from(',"ctime":"'),
  uid: Buffer.from(',"uid":'),
  gid: Buffer.from(',"gid":'),
  user: Buffer.from(',"user":"'),
  group: Buffer.from(',"group":"'),
  inode: Buffer.from(',"inode":'),
  device: Buffer.from(',"device_id":'),
  size: Buffer.from(',"size":'),
  links: Buffer.from(',"links":'),
  target: Buffer.from(',"linktarget":"'),
  content: Buffer.from(',"content":'),
  none: Buffer.from("null"),
  subtree: Buffer.from(',"subtree":"'),
} as const;

/** Undefined where the tree is unusual, or damaged. */
export function scanRows(bytes: Uint8Array): ScannedRows | undefined {
  return bytes.length > treeBytesMax ? undefined : new RowScanner(bytes).scan();
}

class RowScanner {
  readonly #in: TreeBytes;
  readonly #names: ByteString[] = [];
  readonly #numbers: Float64Array;
  readonly #wide: DataView;
  readonly #owners: RowOwner[] = [];
  readonly #ids: Uint8Array;
  readonly #rowsMax: number;
  #row = 0;
  #kind: number = rowKinds.file;
  #idCount = 0;
  /** Where the owner that was met last stands. */
  #ownerStart = 0;
  #ownerEnd = 0;

  constructor(bytes: Uint8Array) {
    this.#in = new TreeBytes(bytes);
    this.#rowsMax = Math.floor(bytes.length / nodeBytesMin);
    this.#numbers = new Float64Array(this.#rowsMax * numbersPerRow);
    this.#wide = new DataView(new ArrayBuffer(this.#rowsMax * widePerRow));
    this.#ids = new Uint8Array(Math.floor(bytes.length / idTextBytes) * idBytes);
  }

  scan(): ScannedRows | undefined {
    const { bytes } = this.#in;
    if (!this.#in.take(words.head) || !this.#takeNodes()) return undefined;
    if (!this.#in.take(words.tail) || this.#in.at !== bytes.length) return undefined;
    return {
      bytes,
      count: this.#row,
      names: this.#names,
      numbers: this.#numbers,
      wide: this.#wide,
      owners: this.#owners,
      ids: this.#ids,
    };
  }

  #takeNodes(): boolean {
    if (this.#in.bytes[this.#in.at] === closeList) return true;
    do {
      if (this.#row === this.#rowsMax || !this.#takeNode()) return false;
      this.#row++;
    } while (this.#in.takeByte(comma));
    return true;
  }

  #takeNode(): boolean {
    const start = this.#in.at;
    const isTaken =
      this.#takeName() &&
      this.#takeLooks() &&
      this.#takeTimes() &&
      this.#takeOwner() &&
      this.#takePlace() &&
      this.#takeContent() &&
      this.#in.takeByte(close);
    this.#set(rowNumbers.start, start);
    this.#set(rowNumbers.end, this.#in.at);
    return isTaken;
  }

  #takeName(): boolean {
    if (!this.#in.take(words.name)) return false;
    const { bytes, at: start } = this.#in;
    let at = start;
    let code = bytes[at] ?? 0;
    while (code !== quote && code !== backslash && code !== slash && code >= 32) code = bytes[++at] ?? 0;
    if (code !== quote || at - start > nameBytesMax) return false;
    this.#in.at = at + 1;
    const name = asByteString(this.#in.text(start, at));
    const last = this.#names.at(-1);
    this.#names.push(name);
    return isEntryName(name) && (last === undefined || name > last);
  }

  #takeLooks(): boolean {
    if (!this.#in.take(words.type)) return false;
    if (this.#in.take(words.file)) this.#kind = rowKinds.file;
    else if (this.#in.take(words.dir)) this.#kind = rowKinds.dir;
    else if (this.#in.take(words.symlink)) this.#kind = rowKinds.symlink;
    else return false;
    this.#set(rowNumbers.kind, this.#kind);
    if (!this.#in.take(words.mode)) return true;
    if (!this.#in.takeNumber(uint32Max)) return false;
    this.#set(rowNumbers.mode, modeFromGo(this.#in.number));
    return true;
  }

  #takeTimes(): boolean {
    const base = this.#row * widePerRow;
    if (!this.#in.take(words.mtime)) return false;
    const start = this.#in.at;
    if (!this.#in.takeTime(this.#wide, base + rowWide.mtime)) return false;
    const end = this.#in.at;
    if (!this.#in.take(words.atime)) return false;
    if (this.#in.takeAgain(start, end)) this.#set(rowNumbers.sameAccess, 1);
    // Nobody asks for it; the place of the next time serves to see that it is one.
    else if (!this.#in.takeTime(this.#wide, base + rowWide.ctime)) return false;
    if (!this.#in.take(words.ctime)) return false;
    if (!this.#in.takeAgain(start, end)) return this.#in.takeTime(this.#wide, base + rowWide.ctime);
    const mtime = this.#wide.getBigInt64(base + rowWide.mtime, true);
    this.#wide.setBigInt64(base + rowWide.ctime, mtime, true);
    return true;
  }

  #takeOwner(): boolean {
    const start = this.#in.at;
    if (!this.#in.take(words.uid) || !this.#in.takeNumber(uint32Max)) return false;
    const uid = this.#in.number;
    if (!this.#in.take(words.gid) || !this.#in.takeNumber(uint32Max)) return false;
    const gid = this.#in.number;
    const userAt = this.#in.at;
    if (this.#in.take(words.user) && !this.#in.takePlainText()) return false;
    const groupAt = this.#in.at;
    if (this.#in.take(words.group) && !this.#in.takePlainText()) return false;
    const end = this.#in.at;
    if (!this.#isLastOwner(start, end)) {
      const user = this.#textIn(userAt + words.user.length, groupAt);
      this.#owners.push({ uid, gid, user, group: this.#textIn(groupAt + words.group.length, end) });
      this.#ownerStart = start;
      this.#ownerEnd = end;
    }
    this.#set(rowNumbers.owner, this.#owners.length - 1);
    return true;
  }

  #isLastOwner(start: number, end: number): boolean {
    const isAsLong = end - start === this.#ownerEnd - this.#ownerStart;
    return isAsLong && this.#in.isSame(start, end, this.#ownerStart);
  }

  /** A string but for the quote behind it; empty where `end` comes before it. */
  #textIn(start: number, end: number): string {
    return start < end ? this.#in.text(start, end - 1) : "";
  }

  #takePlace(): boolean {
    const base = this.#row * widePerRow;
    if (this.#in.take(words.inode) && !this.#in.takeUint64(this.#wide, base + rowWide.inode)) return false;
    if (this.#in.take(words.device) && !this.#in.takeUint64(this.#wide, base + rowWide.device)) return false;
    if (this.#in.take(words.size)) {
      if (!this.#in.takeNumber(Number.MAX_SAFE_INTEGER)) return false;
      this.#set(rowNumbers.sizeBytes, this.#in.number);
    }
    if (this.#in.take(words.links)) {
      if (!this.#in.takeNumber(Number.MAX_SAFE_INTEGER)) return false;
      this.#set(rowNumbers.links, this.#in.number);
    }
    if (this.#kind !== rowKinds.symlink) return true;
    return !this.#in.take(words.target) || this.#in.takePlainText();
  }

  #takeContent(): boolean {
    if (!this.#in.take(words.content)) return false;
    this.#set(rowNumbers.firstId, this.#idCount);
    if (this.#in.take(words.none)) this.#set(rowNumbers.idCount, -1);
    else if (!this.#takeIds()) return false;
    if (this.#kind !== rowKinds.dir || !this.#in.take(words.subtree)) return true;
    // For its form only: it is not counted, and the next one overwrites it.
    return this.#in.takeId(this.#ids, this.#idCount * idBytes);
  }

  #takeIds(): boolean {
    const first = this.#idCount;
    if (!this.#in.takeByte(openList)) return false;
    if (this.#in.bytes[this.#in.at] !== closeList) {
      do {
        if (!this.#in.takeByte(quote) || !this.#in.takeId(this.#ids, this.#idCount * idBytes)) return false;
        this.#idCount++;
      } while (this.#in.takeByte(comma));
    }
    this.#set(rowNumbers.idCount, this.#idCount - first);
    return this.#in.takeByte(closeList);
  }

  #set(column: number, value: number): void {
    this.#numbers[this.#row * numbersPerRow + column] = value;
  }
}
