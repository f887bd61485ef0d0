/**
 * The contents file on its way out. Where a stretch of it is word for word what the
 * parent's has, whole members are taken over from there without being compressed again.
 *
 * @module
 */

import { crc32 } from "node:zlib";
import { memberRawBytesMax } from "../../../encode/gzip-member.ts";
import type { Storage } from "../../../storage/storage.ts";
import type { ContentsText, TextRange } from "./archive-reader-texts.ts";
import type { ArchiveObject } from "./archive-writer.ts";
import { OutputObject } from "./archive-writer-output.ts";
import { MemberFactory } from "./member-factory.ts";

/** Level of the contents file: hashes do not compress, and names do at any level; 6 costs three times as much for 4 % less. */
const contentsLevel = 3;
/** Text gathered before it becomes a member. */
const contentsMemberBytes: number = memberRawBytesMax / 4;

/** Takes lines in order. */
export class ContentsOutput {
  readonly #object: OutputObject;
  readonly #factory = new MemberFactory(contentsLevel, contentsMemberBytes);
  #lines: string[] = [];
  #bytes = 0;
  /** A text of the parent, and how much of it was copied so far: all that was, from its start. */
  #followed: { readonly text: ContentsText; to: number } | undefined;

  constructor(storage: Storage, name: string, signal: AbortSignal) {
    this.#object = new OutputObject(storage, name, signal);
  }

  /** Takes a line without its end. */
  write(line: string): void {
    this.#unfollow();
    this.#append(line);
  }

  /**
   * Takes lines that are the same in the parent. 30 MB of them, of 100,000 unchanged
   * files, cost 350 ms when compressed again and nothing when copied.
   */
  copy({ text, from, to }: TextRange): void {
    if (from === 0) {
      this.#flush();
      this.#followed = { text, to: 0 };
    }
    const followed = this.#followed;
    if (followed?.text !== text || followed.to !== from) {
      for (const line of linesOf(text, from, to)) this.write(line);
      return;
    }
    followed.to = to;
    if (to === text.lines.length) {
      this.#followed = undefined;
      this.#pushCopy(text);
    }
  }

  /** Waits until few members are in flight. @throws whatever ended the `put` */
  async room(): Promise<void> {
    await this.#object.room();
  }

  /** Returns when the object is durable. */
  async finish(): Promise<ArchiveObject> {
    this.#flush();
    return await this.#object.finish();
  }

  async abort(): Promise<void> {
    await this.#object.abort();
  }

  /** The parent's text goes on otherwise: what was copied of it are lines like all others. */
  #unfollow(): void {
    const followed = this.#followed;
    if (followed === undefined) return;
    this.#followed = undefined;
    for (const line of linesOf(followed.text, 0, followed.to)) this.#append(line);
  }

  #append(line: string): void {
    // A line never spans two members, so that each member can be read by itself.
    if (this.#bytes + line.length >= contentsMemberBytes) this.#pushLines();
    this.#lines.push(line);
    this.#bytes += line.length + 1;
  }

  #flush(): void {
    this.#unfollow();
    this.#pushLines();
  }

  #pushLines(): void {
    if (this.#bytes === 0) return;
    const raw = this.#factory.takeRaw();
    // The line end after the last: joining it too saves a copy of the whole text.
    this.#lines.push("");
    const rawBytes = raw.write(this.#lines.join("\n"), "latin1");
    this.#lines = [];
    this.#bytes = 0;
    const made = this.#factory.make(raw, rawBytes, "deflate");
    this.#object.push({ member: made, done: () => void made.then((member) => member.release()) });
  }

  #pushCopy({ lines, member }: ContentsText): void {
    const made = { bytes: member, rawBytes: lines.length, crc32: crc32(member) };
    this.#object.push({ member: Promise.resolve(made), done: () => undefined });
  }
}

function linesOf(text: ContentsText, from: number, to: number): readonly string[] {
  return to === from ? [] : text.lines.toString("latin1", from, to - 1).split("\n");
}
