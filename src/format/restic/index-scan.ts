/**
 * The fast way to read an index file that is written as restic and this program
 * write it, byte for byte: into typed arrays, without a string for each blob. What is
 * written in any other way is left to `index-file.ts`, which reads all of JSON.
 *
 * @module
 */

/** An index file in compact form: the blobs of pack `i` are rows `starts[i]` to `starts[i + 1]`. */
export interface ScannedIndex {
  /** Hex ids. */
  readonly packs: readonly string[];
  readonly starts: readonly number[];
  /** 32 bytes a row. */
  readonly ids: Uint8Array;
  /** Four numbers a row: 0 for data or 1 for a tree, offset, length, plain size or 0. */
  readonly fields: Uint32Array;
}

/** Numbers a row of {@link ScannedIndex.fields} has. */
export const fieldsPerRow = 4;

const idBytes = 32;
const u32Max = 0xffff_ffff;

/** `{"id":"<64 digits>","type":"data","offset":0,"length":0},` is the shortest a blob can be. */
const blobTextBytesMin = 115;

const ascii = (text: string): Uint8Array => Buffer.from(text, "latin1");
const beginning = ascii('{"packs":[');
const packId = ascii('{"id":"');
const packBlobs = ascii('","blobs":[');
const blobType = ascii('","type":"');
const data = ascii('data","offset":');
const tree = ascii('tree","offset":');
const length = ascii(',"length":');
const plainLength = ascii(',"uncompressed_length":');
const ending = ascii("]}");

const comma = 0x2c;
const closingBrace = 0x7d;
const closingBracket = 0x5d;
const newline = 0x0a;

/** Values of hex digits in lower case; 255 for anything else. */
const digitOf: Uint8Array = new Uint8Array(256).fill(255);
for (const [value, digit] of [..."0123456789abcdef"].entries()) digitOf[digit.charCodeAt(0)] = value;

/** Reads an index file. Undefined where it is written in another way, or is damaged. */
export function scanIndex(bytes: Uint8Array): ScannedIndex | undefined {
  const scan = new IndexScan(bytes);
  return scan.run() ? scan.result() : undefined;
}

class IndexScan {
  readonly #bytes: Uint8Array;
  readonly #packs: string[] = [];
  readonly #starts: number[] = [0];
  readonly #ids: Uint8Array;
  readonly #fields: Uint32Array;
  #rows = 0;
  #at = 0;

  constructor(bytes: Uint8Array) {
    const rowsMax = Math.ceil(bytes.length / blobTextBytesMin);
    this.#bytes = bytes;
    this.#ids = new Uint8Array(rowsMax * idBytes);
    this.#fields = new Uint32Array(rowsMax * fieldsPerRow);
  }

  run(): boolean {
    if (!this.#skip(beginning)) return false;
    do {
      if (!this.#takePack()) return false;
    } while (this.#skipByte(comma));
    if (!this.#skip(ending)) return false;
    this.#skipByte(newline);
    return this.#at === this.#bytes.length;
  }

  result(): ScannedIndex {
    const [ids, fields] = [this.#ids, this.#fields];
    return {
      packs: this.#packs,
      starts: this.#starts,
      ids: ids.subarray(0, this.#rows * idBytes),
      fields: fields.subarray(0, this.#rows * fieldsPerRow),
    };
  }

  #takePack(): boolean {
    if (!this.#skip(packId)) return false;
    const id = Buffer.from(this.#bytes.subarray(this.#at, this.#at + 2 * idBytes)).toString("latin1");
    this.#packs.push(id);
    this.#at += 2 * idBytes;
    if (!/^[0-9a-f]{64}$/.test(id) || !this.#skip(packBlobs)) return false;
    do {
      if (!this.#takeBlob()) return false;
    } while (this.#skipByte(comma));
    this.#starts.push(this.#rows);
    return this.#skipByte(closingBracket) && this.#skipByte(closingBrace);
  }

  #takeBlob(): boolean {
    if (!this.#skip(packId) || !this.#takeId() || !this.#skip(blobType)) return false;
    const field = this.#rows * fieldsPerRow;
    const isTree = this.#skip(tree);
    if (!isTree && !this.#skip(data)) return false;
    this.#fields[field] = isTree ? 1 : 0;
    if (!this.#takeNumber(field + 1) || !this.#skip(length) || !this.#takeNumber(field + 2)) return false;
    if (this.#skip(plainLength) && !this.#takeNumber(field + 3)) return false;
    this.#rows++;
    return this.#skipByte(closingBrace);
  }

  #takeId(): boolean {
    const bytes = this.#bytes;
    const start = this.#at;
    const row = this.#rows * idBytes;
    if (start + 2 * idBytes > bytes.length) return false;
    for (let i = 0; i < idBytes; i++) {
      const high = digitOf[bytes[start + 2 * i] ?? 0] ?? 255;
      const low = digitOf[bytes[start + 2 * i + 1] ?? 0] ?? 255;
      if ((high | low) > 15) return false;
      this.#ids[row + i] = (high << 4) | low;
    }
    this.#at = start + 2 * idBytes;
    return true;
  }

  #takeNumber(field: number): boolean {
    const start = this.#at;
    let value = 0;
    let digit = (this.#bytes[this.#at] ?? 0) - 0x30;
    while (digit >= 0 && digit <= 9 && value <= u32Max) {
      value = value * 10 + digit;
      digit = (this.#bytes[++this.#at] ?? 0) - 0x30;
    }
    if (this.#at === start || value > u32Max) return false;
    // JSON has no leading zeros.
    if (this.#bytes[start] === 0x30 && this.#at > start + 1) return false;
    this.#fields[field] = value;
    return true;
  }

  #skip(text: Uint8Array): boolean {
    for (let i = 0; i < text.length; i++) if (this.#bytes[this.#at + i] !== text[i]) return false;
    this.#at += text.length;
    return true;
  }

  #skipByte(byte: number): boolean {
    if (this.#bytes[this.#at] !== byte) return false;
    this.#at++;
    return true;
  }
}
