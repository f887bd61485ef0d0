import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { test } from "node:test";
import { isBackupError } from "../../../domain/error.ts";
import type { ObjectId } from "../../../format/restic/model.ts";
import { blobIdOf, inGroups, PackedBlobs } from "../../../testing/packed-blobs.ts";
import { signal } from "../../../testing/vault-probe.ts";
import { packName } from "../objects.ts";
import { BlobThreads } from "./blob-threads.ts";
import type { Subject } from "./plan-batches.ts";
import { ReadAhead } from "./read-ahead.ts";

function readAhead<T>(place: PackedBlobs, subjects: readonly Subject<T>[]): ReadAhead<T> {
  return new ReadAhead(place.fetcher, place.index, inGroups(subjects), signal);
}

async function bytesOf<T>(ahead: ReadAhead<T>): Promise<Buffer> {
  const parts: Buffer[] = [];
  for await (const chunk of ahead.content(() => "it")) parts.push(Buffer.from(chunk));
  return Buffer.concat(parts);
}

test("ReadAhead gives every subject its bytes in order, whatever their sizes, and shared blobs to each", async () => {
  await using place = await PackedBlobs.open();
  const sizes = [1, 100, 70_000, 900_000, 3_000_000, 6_000_000, 5, 2_500_000, 11];
  const blobs = sizes.map((size) => randomBytes(size));
  const text = Buffer.alloc(5_000_000, "words that repeat ");
  await place.store(...blobs.slice(0, 5), text);
  await place.store(...blobs.slice(5));
  const contents = [
    [blobs[3], blobs[4], blobs[5]],
    [blobs[0]],
    undefined,
    [],
    [text, blobs[1], text],
    [blobs[8], blobs[7], blobs[6], blobs[5], blobs[2]],
    ...Array.from({ length: 20 }, () => [blobs[6], blobs[8]]),
  ];
  const subjects = contents.map((parts, value) => ({
    value,
    ...(parts === undefined ? {} : { content: parts.map((part) => blobIdOf(part ?? Buffer.alloc(0))) }),
  }));
  await using ahead = readAhead(place, subjects);
  for (const [value, parts] of contents.entries()) {
    const turn = await ahead.next();
    assert.equal(turn?.value, value);
    assert.equal(turn.hasContent, parts !== undefined);
    const wanted = Buffer.concat((parts ?? []).map((part) => part ?? Buffer.alloc(0)));
    assert.ok((await bytesOf(ahead)).equals(wanted), `subject ${value}`);
  }
  assert.equal(await ahead.next(), undefined);
});

test("ReadAhead passes over what was left alone or read in part, also where it is longer than a batch", async () => {
  await using place = await PackedBlobs.open();
  const parts = Array.from({ length: 5 }, () => randomBytes(2_000_000));
  await place.store(...parts);
  const long = { value: "long", content: parts.map(blobIdOf) };
  await using ahead = readAhead(place, [
    long,
    { value: "next" },
    long,
    { value: "last", content: [blobIdOf(parts[0]!)] },
  ]);
  assert.equal((await ahead.next())?.value, "long");
  assert.equal((await ahead.next())?.value, "next");
  assert.equal((await ahead.next())?.value, "long");
  for await (const _ of ahead.content(() => "it")) break;
  assert.equal((await ahead.next())?.value, "last");
  assert.ok((await bytesOf(ahead)).equals(parts[0]!));
});

test("ReadAhead names a blob that is damaged, missing or in no index, and goes on with the next subject", async () => {
  await using place = await PackedBlobs.open();
  const [whole, damaged, gone] = [randomBytes(300), randomBytes(400), randomBytes(500)];
  await place.store(whole);
  const [bad = ""] = await place.store(damaged);
  const [lost = ""] = await place.store(gone);
  await place.damage(bad);
  await place.repo.storage.remove([packName(lost)], signal);
  const nowhere = "ab".repeat(32);
  const content = (id: ObjectId): Subject<string> => ({ value: id, content: [blobIdOf(whole), id] });
  await using ahead = readAhead(place, [
    content(blobIdOf(damaged)),
    content(blobIdOf(gone)),
    content(nowhere),
    content(blobIdOf(whole)),
  ]);
  for (const message of [
    `Cannot read it: blob ${blobIdOf(damaged)} of pack ${bad} cannot be read: its MAC does not fit its bytes`,
    `Cannot read it: blob ${blobIdOf(gone)} of pack ${lost} cannot be read: that pack is missing`,
    `Cannot read it: blob ${nowhere} is in no index`,
  ]) {
    await ahead.next();
    await assert.rejects(bytesOf(ahead), (error) => {
      assert.ok(isBackupError(error, "damaged"));
      assert.equal(error.message, message);
      return true;
    });
  }
  await ahead.next();
  assert.ok((await bytesOf(ahead)).equals(Buffer.concat([whole, whole])));
});

test("ReadAhead takes another copy of a blob where the first is damaged", async () => {
  await using place = await PackedBlobs.open();
  const plain = randomBytes(1_000);
  const [first = ""] = await place.store(plain);
  await place.store(plain, randomBytes(10));
  await place.damage(first);
  await using ahead = readAhead(place, [{ value: 1, content: [blobIdOf(plain)] }]);
  await ahead.next();
  assert.ok((await bytesOf(ahead)).equals(plain));
});

test("ReadAhead throws what its subjects threw after those that came before it, and can be left at any time", async () => {
  await using place = await PackedBlobs.open();
  const plain = randomBytes(10);
  await place.store(plain);
  const failing = async function* (): AsyncGenerator<readonly Subject<number>[]> {
    yield [{ value: 1, content: [blobIdOf(plain)] }];
    throw new Error("no more");
  };
  await using ahead = new ReadAhead(place.fetcher, place.index, failing(), signal);
  assert.equal((await ahead.next())?.value, 1);
  assert.ok((await bytesOf(ahead)).equals(plain));
  await assert.rejects(ahead.next(), /no more/);
  await using _unread = readAhead(place, [{ value: 1, content: [blobIdOf(plain)] }]);
});

test("BlobThreads ends its threads with what they were at, and starts others for later tasks", async () => {
  await using place = await PackedBlobs.open();
  const plain = randomBytes(3_000_000);
  const [pack = ""] = await place.store(plain);
  const found = place.index.find(blobIdOf(plain), "data");
  assert.ok(found !== undefined);
  const stored = Buffer.concat(
    await Array.fromAsync(place.repo.storage.get(packName(pack), undefined, signal)),
  );
  const task = () => ({ pieces: [new Uint8Array(stored)], blobs: [{ ...found, at: 0 }] });
  const threads = new BlobThreads(place.repo.key);
  assert.deepEqual(await threads.decode(task()), []);
  const running = Array.from({ length: 9 }, () => threads.decode(task()));
  const outcomes = Promise.allSettled(running);
  await threads[Symbol.asyncDispose]();
  assert.ok(
    (await outcomes).some((outcome) => outcome.status === "rejected" && isBackupError(outcome.reason, "bug")),
  );
  const target = new Uint8Array(new SharedArrayBuffer(plain.length));
  assert.deepEqual(await threads.decode(task(), target), []);
  assert.ok(plain.equals(target));
  const wrong = { ...found, id: "00".repeat(32), at: 0 };
  const [failure] = await threads.decode({ ...task(), blobs: [wrong] });
  assert.equal(failure?.state, `its SHA-256 is ${blobIdOf(plain)}`);
  await threads[Symbol.asyncDispose]();
});
