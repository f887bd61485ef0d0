/**
 * Gathers headers and small files until they fill a member. Files that compress
 * and files that do not are kept apart where both come in quantity, so that neither
 * spoils the other.
 *
 * @module
 */

import { looksCompressible } from "../../../encode/compressibility.ts";
import { memberRawBytesMax } from "../../../encode/gzip-member.ts";
import type { TarMember } from "../../../format/archive/tar-header.ts";
import { encodeTarHeader, tarHeaderBytesMax, tarPaddingBytes } from "../../../format/archive/tar-header.ts";
import type { RunSink } from "./archive-writer-runs.ts";
import type { MemberFactory } from "./member-factory.ts";

/** A group is closed when the kind of content changes, but not before it has this much. */
const splitBytesMin = 64 * 1024;
/** Compressing a group pays when at least one byte in this many compresses. */
const compressibleShare = 8;

/** The group being filled. Entries larger than {@link memberRawBytesMax} with their header do not go here. */
export class EntryGroup {
  readonly #sink: RunSink;
  readonly #factory: MemberFactory;
  #raw: Buffer | undefined;
  #used = 0;
  #denseBytes = 0;
  #lastDense = false;
  #lines: string[] = [];

  constructor(sink: RunSink, factory: MemberFactory) {
    this.#sink = sink;
    this.#factory = factory;
  }

  /** Raw bytes gathered and not yet handed over. */
  get usedBytes(): number {
    return this.#used;
  }

  /** Adds an entry; `line` gets the place of its data in the group's raw bytes. */
  async add(member: TarMember, data: Uint8Array, line: (at: number) => string): Promise<void> {
    const dense = this.#isDense(data);
    if (this.#used > 0 && this.#mustClose(data.length, dense)) await this.close();
    this.#raw ??= this.#factory.takeRaw();
    const at = this.#used + encodeTarHeader(member, this.#raw, this.#used);
    const end = at + data.length;
    this.#raw.set(data, at);
    this.#used = end + tarPaddingBytes(data.length);
    this.#raw.fill(0, end, this.#used);
    if (dense) this.#denseBytes += data.length;
    this.#lastDense = dense;
    this.#lines.push(line(at));
  }

  /** Hands over what was gathered, if anything. */
  async close(): Promise<void> {
    if (this.#raw === undefined) return;
    const compress = (this.#used - this.#denseBytes) * compressibleShare >= this.#used;
    const made = this.#factory.make(this.#raw, this.#used, compress ? "deflate" : "store");
    const lines = this.#lines;
    this.#raw = undefined;
    this.#used = 0;
    this.#denseBytes = 0;
    this.#lines = [];
    const run = this.#sink.open();
    await this.#sink.push(run, made);
    await this.#sink.close(run, lines);
  }

  /** Content too short to tell counts as what came before it. */
  #isDense(data: Uint8Array): boolean {
    const compressible = looksCompressible(data);
    return compressible === undefined ? this.#used > 0 && this.#lastDense : !compressible;
  }

  #mustClose(dataBytes: number, dense: boolean): boolean {
    if (this.#used >= splitBytesMin && dense !== this.#lastDense) return true;
    return this.#used + tarHeaderBytesMax + dataBytes + tarPaddingBytes(dataBytes) > memberRawBytesMax;
  }
}
