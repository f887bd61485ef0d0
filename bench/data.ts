/**
 * The data the bench runs on, made from a seed so that every machine measures
 * the same bytes: media that do not compress, prose-like text in many files, and
 * files whose beginning does not compress while the rest does.
 *
 * @module
 */

import { createHash } from "node:crypto";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";

const mebibyte = 1 << 20;

/** A small fast generator (mulberry32); the same numbers for the same seed. */
export function seededRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
}

/** Bytes no compressor can shrink. */
export function incompressible(sizeBytes: number, seed: number): Buffer {
  const random = seededRandom(seed);
  const words = new Uint32Array(Math.ceil(sizeBytes / 4));
  for (let i = 0; i < words.length; i++) words[i] = random() * 4_294_967_296;
  return Buffer.from(words.buffer, 0, sizeBytes);
}

const syllables =
  "ba be bi bo ca ce co da de di do fa fe fo ga ge ha he hi ho ja la le li lo ma me mi mo na ne ni no pa pe po ra re ri ro sa se si so ta te ti to va ve vi wa we wi str ing tion ment ed er ly un re con pro".split(
    " ",
  );
const vocabularySize = 20_000;

/** Made-up words of one to four syllables. */
function vocabulary(random: () => number): readonly string[] {
  return Array.from({ length: vocabularySize }, () =>
    Array.from(
      { length: 1 + Math.floor(random() * 4) },
      () => syllables[Math.floor(random() * syllables.length)],
    ).join(""),
  );
}

/**
 * Text as an app has it: half of the lines records in JSON, half sentences, words as frequent as in
 * natural language. Gzip shrinks it to about a third, as it does source code and logs.
 */
export function prose(sizeBytes: number, random: () => number, words: readonly string[]): string {
  // Cubing favours the head of the list about as Zipf's law does.
  const word = (): string => words[Math.floor(words.length * random() ** 3)] ?? "";
  const sentence = (least: number): string =>
    Array.from({ length: least + Math.floor(random() * 8) }, word).join(" ");
  const lines: string[] = [];
  let size = 0;
  while (size < sizeBytes) {
    const line = random() < 0.5 ? record(random, word, sentence(3)) : `${sentence(8)}.\n`;
    lines.push(line);
    size += line.length;
  }
  return lines.join("").slice(0, sizeBytes);
}

function record(random: () => number, word: () => string, note: string): string {
  const number = (below: number): number => Math.floor(random() * below);
  const at = `2026-0${1 + number(9)}-1${number(10)}T0${number(10)}:${10 + number(50)}:00Z`;
  const path = `uploads/${word()}/${number(1e6)}.jpg`;
  return `{"id":${number(1e5)},"at":"${at}","user":"${word()}","path":"${path}","note":"${note}"}\n`;
}

export interface MixedData {
  readonly directory: string;
  /** The folder below `directory` that holds only text. */
  readonly textDirectory: string;
}

/** 1 GiB of media in 16 MiB files, 0.6 GB of text in 12,000 files, and 8 files of 8 MiB that change their kind after 64 KiB. */
export function makeMixedData(directory: string): MixedData {
  const random = seededRandom(1);
  const words = vocabulary(random);
  for (let i = 0; i < 64; i++)
    write(directory, `media/${i % 8}/clip-${i}.mp4`, incompressible(16 * mebibyte, i));
  for (let i = 0; i < 12_000; i++) {
    write(
      directory,
      `text/${i % 100}/note-${i}.txt`,
      prose(20_000 + Math.floor(random() * 60_000), random, words),
    );
  }
  for (let i = 0; i < 8; i++) {
    const tail = prose(8 * mebibyte - 65_536, random, words);
    write(
      directory,
      `late/mixed-${i}.bin`,
      Buffer.concat([incompressible(65_536, 1000 + i), Buffer.from(tail)]),
    );
  }
  return { directory, textDirectory: join(directory, "text") };
}

/** 100,000 files of 0 to 2 KB in 500 folders. */
export function makeSmallFiles(directory: string, count = 100_000): void {
  const random = seededRandom(2);
  const text = prose(4096, random, vocabulary(random));
  for (let i = 0; i < count; i++) {
    const start = Math.floor(random() * 2048);
    write(
      directory,
      `${i % 500}/item-${i}.json`,
      `${i} ${text.slice(start, start + Math.floor(random() * 2048))}`,
    );
  }
}

const made = new Set<string>();

function write(directory: string, name: string, content: string | Uint8Array): void {
  const path = join(directory, name);
  const folder = join(path, "..");
  if (!made.has(folder)) mkdirSync(folder, { recursive: true });
  made.add(folder);
  writeFileSync(path, content);
}

/** SHA-256 of a buffer, hex; to compare what came back. */
export function sha256(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}
