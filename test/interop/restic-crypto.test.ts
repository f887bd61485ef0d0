import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { createCipheriv } from "node:crypto";
import { existsSync, globSync } from "node:fs";
import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { test } from "node:test";
import { Chunker } from "../../src/format/restic/chunker.ts";
import { openBox } from "../../src/format/restic/crypto-box.ts";
import type { KeyDocument } from "../../src/format/restic/model.ts";
import { openKeyFile, parseKeyFile, sealKeyFile } from "../../src/format/restic/keys.ts";
import { isIrreducible } from "../../src/format/restic/polynomial.ts";
import { ResticPlace } from "./restic.ts";

const miB = 1024 * 1024;

/** Repositories of restic's own tests, version 1. */
const fixtures = join(import.meta.dirname, "../fixtures/restic-v1");

function keyStream(length: number, seed: number): Buffer {
  return createCipheriv("aes-256-ctr", Buffer.alloc(32, seed), Buffer.alloc(16)).update(Buffer.alloc(length));
}

/** Lengths of each file's chunks as restic stored them. */
async function chunksByName(place: ResticPlace): Promise<Map<string, number[]>> {
  const lengths = new Map<string, number>();
  for (const id of (await place.ok("list", "index")).trim().split("\n")) {
    const index: { packs: { blobs: { id: string; length: number; uncompressed_length?: number }[] }[] } =
      JSON.parse(await place.ok("cat", "index", id));
    for (const blob of index.packs.flatMap(({ blobs }) => blobs)) {
      lengths.set(blob.id, blob.uncompressed_length ?? blob.length - 32);
    }
  }
  const [snapshot] = await readdir(join(place.repo, "snapshots"));
  const { tree }: { tree: string } = JSON.parse(await place.ok("cat", "snapshot", snapshot!));
  const { nodes }: { nodes: { name: string; content: string[] }[] } = JSON.parse(
    await place.ok("cat", "blob", tree),
  );
  return new Map(nodes.map(({ name, content }) => [name, content.map((id) => lengths.get(id)!)]));
}

test("Chunker cuts files where the installed restic cuts them, under the polynomial that restic chose", async () => {
  await using place = await ResticPlace.open();
  await place.ok("init");
  const { chunker_polynomial }: { chunker_polynomial: string } = JSON.parse(await place.ok("cat", "config"));
  const polynomial = BigInt(`0x${chunker_polynomial}`);
  assert.ok(isIrreducible(polynomial));
  const files = new Map([
    ["random", keyStream(24 * miB + 12_345, 1)],
    ["words", Buffer.alloc(9 * miB, "some words, again and again ")],
    ["zeros", Buffer.alloc(2 * miB + 1)],
    [
      "mixed",
      Buffer.concat([keyStream(3 * miB, 2), Buffer.alloc(miB), keyStream(5 * miB, 3), Buffer.alloc(100)]),
    ],
    ["small", keyStream(1000, 4)],
    ["smallest-chunk", keyStream(miB / 2, 5)],
    ["empty", Buffer.alloc(0)],
  ]);
  for (const [name, bytes] of files) await writeFile(join(place.folder, name), bytes);
  await place.ok("backup", ...files.keys());
  const chunker = new Chunker(polynomial, 32 * miB);
  const ours = new Map<string, number[]>();
  for (const [name, bytes] of files) {
    chunker.buffer.set(bytes);
    const lengths: number[] = [];
    let start = 0;
    for (;;) {
      const length = chunker.chunkLength(start, bytes.length, true);
      if (length === undefined) break;
      lengths.push(length);
      start += length;
    }
    ours.set(name, lengths);
  }
  const theirs = await chunksByName(place);
  for (const name of files.keys()) assert.deepEqual(ours.get(name), theirs.get(name), name);
});

// Both programs measure the machine, so both answers vary: the medians of three keys of each are compared.
test("a key of ours costs at least as much to guess as one the installed restic makes here", async () => {
  const theirs: KeyDocument[] = [];
  const ours: KeyDocument[] = [];
  for (let round = 0; round < 3; round++) {
    await using place = await ResticPlace.open();
    await place.ok("init");
    const [name] = await readdir(join(place.repo, "keys"));
    const key = parseKeyFile(await readFile(join(place.repo, "keys", name!)));
    const master = await openKeyFile(key, place.password);
    assert.ok(master !== undefined);
    theirs.push(key);
    ours.push(await sealKeyFile(master, place.password, key));
  }
  const median = (keys: readonly KeyDocument[], cost: (key: KeyDocument) => number): number =>
    keys.map(cost).toSorted((a, b) => a - b)[1]!;
  const memory = (key: KeyDocument): number => key.N * key.r;
  const work = (key: KeyDocument): number => key.N * key.r * key.p;
  assert.ok(
    median(ours, memory) >= median(theirs, memory),
    `memory: ${ours.map(memory)}, restic ${theirs.map(memory)}`,
  );
  assert.ok(
    median(ours, work) >= median(theirs, work),
    `work: ${ours.map(work)}, restic ${theirs.map(work)}`,
  );
});

if (existsSync(fixtures)) {
  test("keys of restic's own test repositories open with their password, and their configurations with the keys", async () => {
    const archives = globSync(join(fixtures, "*.tar.gz"));
    assert.ok(archives.length >= 7, `${archives.length} repositories`);
    await using place = await ResticPlace.open();
    for (const archive of archives) {
      const folder = join(place.folder, basename(archive));
      await mkdir(folder);
      execFileSync("tar", ["-xzf", archive, "-C", folder]);
      const repo = join(folder, "repo");
      const [name] = await readdir(join(repo, "keys"));
      const key = parseKeyFile(await readFile(join(repo, "keys", name!)));
      const master = await openKeyFile(key, "geheim");
      assert.ok(master !== undefined, archive);
      const config = JSON.parse(openBox(master, await readFile(join(repo, "config"))).toString());
      assert.equal(config.version, 1);
      assert.ok(isIrreducible(BigInt(`0x${config.chunker_polynomial}`)), archive);
      assert.equal(await openKeyFile(key, "falsch"), undefined);
    }
  });
}
