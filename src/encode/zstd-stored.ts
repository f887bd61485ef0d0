/**
 * zstd frames of bytes that do not shrink: their blocks hold the bytes as they are, which is how
 * most of a media file is stored. They are copied out here, piece by piece as a frame comes in,
 * which spares the frame's own memory and the decoder's. Source: RFC 8878, section 3.1.
 *
 * @module
 */

const magic = 0xfd2fb528;

/** Bytes of a dictionary's id and of the content's size, by the header's flags. */
const dictionaryIdBytes: readonly number[] = [0, 1, 2, 4];
const contentSizeBytes: readonly number[] = [0, 2, 4, 8];

const blockHeaderBytes = 3;
const rawBlock = 0;

/** One frame on its way into memory. */
export class StoredFrame {
  readonly #target: Uint8Array;
  #written = 0;
  /** Bytes of the current block that are still to come. */
  #blockLeft = 0;
  /** Header of the next block, as far as it has come. */
  #header = 0;
  #headerBytes = 0;
  #state: "blocks" | "complete" | "not-stored" = "blocks";

  /**
   * Begins with the first piece of a frame, which {@link push} then takes too.
   *
   * @returns undefined where the first block is compressed, or this is no frame: then the frame is the decoder's
   */
  static begin(piece: Uint8Array, target: Uint8Array): { frame: StoredFrame; rest: Uint8Array } | undefined {
    const start = blocksOffset(piece);
    if (start === undefined || start >= piece.length) return undefined;
    if ((((piece[start] ?? 0) >> 1) & 3) !== rawBlock) return undefined;
    return { frame: new StoredFrame(target), rest: piece.subarray(start) };
  }

  private constructor(target: Uint8Array) {
    this.#target = target;
  }

  /** Whether the frame has ended, with exactly the bytes there was room for, and nothing came after it. */
  get isComplete(): boolean {
    return this.#state === "complete" && this.#written === this.#target.length;
  }

  /** Takes the next bytes of the frame. They may be reused at once. */
  push(bytes: Uint8Array): void {
    let at = 0;
    while (at < bytes.length && this.#state !== "not-stored") {
      at += this.#blockLeft > 0 ? this.#takeContent(bytes, at) : this.#takeHeader(bytes[at] ?? 0);
    }
  }

  #takeContent(bytes: Uint8Array, at: number): number {
    const content = bytes.subarray(at, at + this.#blockLeft);
    this.#target.set(content, this.#written);
    this.#written += content.length;
    this.#blockLeft -= content.length;
    if (this.#blockLeft === 0) this.#endBlock();
    return content.length;
  }

  #takeHeader(byte: number): number {
    // A checksum, or another frame: not for us.
    if (this.#state === "complete") this.#state = "not-stored";
    this.#header |= byte << (8 * this.#headerBytes++);
    if (this.#headerBytes === blockHeaderBytes) this.#beginBlock();
    return 1;
  }

  #beginBlock(): void {
    const size = this.#header >> 3;
    const type = (this.#header >> 1) & 3;
    const fits = this.#written + size <= this.#target.length;
    if (type !== rawBlock || !fits) this.#state = "not-stored";
    this.#blockLeft = size;
    if (size === 0) this.#endBlock();
  }

  #endBlock(): void {
    if (this.#state === "blocks" && (this.#header & 1) === 1) this.#state = "complete";
    this.#header = 0;
    this.#headerBytes = 0;
  }
}

/** Where the blocks begin; undefined for what is no frame, and for one with a checksum, which is not compared here. */
function blocksOffset(frame: Uint8Array): number | undefined {
  if (frame.length < 6) return undefined;
  const found =
    ((frame[0] ?? 0) | ((frame[1] ?? 0) << 8) | ((frame[2] ?? 0) << 16) | ((frame[3] ?? 0) << 24)) >>> 0;
  const descriptor = frame[4] ?? 0;
  const hasChecksum = (descriptor & 4) !== 0;
  const hasReserved = (descriptor & 8) !== 0;
  if (found !== magic || hasChecksum || hasReserved) return undefined;
  const isSingleSegment = (descriptor & 32) !== 0;
  const sizeFlag = descriptor >> 6;
  const sizeBytes = sizeFlag === 0 && isSingleSegment ? 1 : (contentSizeBytes[sizeFlag] ?? 0);
  const windowBytes = isSingleSegment ? 0 : 1;
  return 5 + windowBytes + (dictionaryIdBytes[descriptor & 3] ?? 0) + sizeBytes;
}
