import assert from "node:assert/strict";
import { hash, randomBytes } from "node:crypto";
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { byteStringFromText } from "../../../domain/byte-string.ts";
import { BackupError, isBackupError } from "../../../domain/error.ts";
import { openLocalStorage } from "../../../storage/local-storage.ts";
import { MemoryStorage } from "../../../storage/memory-storage.ts";
import { readThisMachine } from "../../../storage/this-machine.ts";
import type { Storage, StorageContent } from "../../../storage/storage.ts";
import { openTestRepository } from "../../../testing/test-repository.ts";
import { signal } from "../../../testing/vault-probe.ts";
import { BlobIndex } from "../blob-index.ts";
import { loadIndex } from "../load-index.ts";
import { type BlobStore, openBlobStore } from "./blob-store.ts";
import { type SourceFileResult, SourceFiles } from "./source-files.ts";

const mebibyte = 1024 * 1024;

async function inFolder(run: (folder: string) => Promise<void>): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "blob-store-"));
  try {
    await run(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function makeFile(folder: string, name: string, content: Uint8Array): { path: string; size: number } {
  const path = join(folder, name);
  writeFileSync(path, content);
  return { path, size: content.length };
}

async function store(
  blobs: BlobStore,
  files: readonly { path: string; size: number }[],
): Promise<readonly SourceFileResult[]> {
  const sources = new SourceFiles(blobs);
  const results: SourceFileResult[] = [];
  for (const [i, { path, size }] of files.entries()) {
    await sources.add(byteStringFromText(path), size, (result) => {
      results[i] = result;
    });
  }
  await sources.finish();
  return results;
}

function contentOf({ outcome }: SourceFileResult): readonly string[] {
  assert.equal(outcome.outcome, "stored");
  return outcome.outcome === "stored" ? outcome.content : [];
}

/** Keeps the order of what is stored, and calls `onPut` before. */
function listening(
  inner: Storage,
  names: string[],
  onPut: (name: string) => void = () => undefined,
): Storage {
  return {
    location: inner.location,
    properties: inner.properties,
    get: (...args) => inner.get(...args),
    stat: (...args) => inner.stat(...args),
    list: (...args) => inner.list(...args),
    remove: (...args) => inner.remove(...args),
    freeBytes: (...args) => inner.freeBytes(...args),
    cleanUnfinished: (...args) => inner.cleanUnfinished(...args),
    async put(name, content, putSignal) {
      onPut(name);
      await inner.put(name, content, putSignal);
      names.push(name);
    },
    [Symbol.asyncDispose]: () => inner[Symbol.asyncDispose](),
  };
}

test("run() stores each blob once, whichever threads come upon it, and indexes packs that are durable", async () => {
  await inFolder(async (folder) => {
    const names: string[] = [];
    const repo = await openTestRepository(listening(new MemoryStorage(), names));
    const content = randomBytes(6 * mebibyte);
    const files = Array.from({ length: 24 }, (_, i) => makeFile(folder, `same-${i}`, content));
    const blobs = openBlobStore(repo, new BlobIndex(), {}, signal);
    const results = await store(blobs, files);
    await blobs.flush();
    const { dataBlobs, packedBytes } = blobs.added;
    await blobs.close();
    assert.equal(new Set(results.map((result) => contentOf(result).join())).size, 1);
    assert.equal(dataBlobs, contentOf(results[0]!).length);
    assert.ok(packedBytes < 6.1 * mebibyte);
    const { index } = await loadIndex(repo, signal);
    assert.equal(index.size, dataBlobs);
    assert.match(names.at(-1) ?? "", /^index\//, "I1: the index comes after the packs");
    // The next run finds all of it.
    const again = openBlobStore(repo, index, {}, signal);
    await store(again, files);
    await again.flush();
    assert.equal(again.added.dataBlobs, 0);
    await again.close();
  });
});

test("a large file is stored in pieces by all threads, and its blobs are those one thread finds", async () => {
  await inFolder(async (folder) => {
    const repo = await openTestRepository(new MemoryStorage());
    const content = Buffer.concat([randomBytes(40 * mebibyte), Buffer.alloc(30 * mebibyte)]);
    const large = makeFile(folder, "large", content);
    const blobs = openBlobStore(repo, new BlobIndex(), {}, signal);
    const [inPieces] = await store(blobs, [large]);
    // As a smaller file it goes to one thread whole.
    const [whole] = await store(blobs, [{ ...large, size: 1 }]);
    await blobs.close();
    assert.deepEqual(contentOf(inPieces!), contentOf(whole!));
    assert.equal(inPieces?.facts.sizeBytes, content.length);
  });
});

test("addImage() cuts at fixed places, and refuses an image that is not as it should be", async () => {
  await inFolder(async (folder) => {
    const repo = await openTestRepository(new MemoryStorage());
    const bytes = randomBytes(200_000);
    const { path, size } = makeFile(folder, "image", bytes);
    const blobs = openBlobStore(repo, new BlobIndex(), {}, signal);
    const files = new SourceFiles(blobs);
    let ids: readonly string[] = [];
    const image = { path: byteStringFromText(path), sizeBytes: size, chunkBytes: 65_536 };
    await files.addImage(image, (content) => {
      ids = content;
    });
    await files.finish();
    const expected = [0, 1, 2, 3].map((i) => bytes.subarray(i * 65_536, (i + 1) * 65_536));
    assert.deepEqual(
      ids,
      expected.map((part) => hash("sha256", part, "hex")),
    );
    await files.addImage({ ...image, sizeBytes: size - 1 }, () => undefined);
    await assert.rejects(files.finish(), (error) => isBackupError(error, "source-unavailable"));
    await assert.rejects(blobs.flush(), (error) => isBackupError(error, "source-unavailable"));
    await blobs.close();
  });
});

test("a pack that cannot be stored makes everything fail, and says why", async () => {
  await inFolder(async (folder) => {
    const full = (name: string): void => {
      if (name.startsWith("data/"))
        throw new BackupError("no-space", "Cannot store a pack: the disk is full");
    };
    const repo = await openTestRepository(listening(new MemoryStorage(), [], full));
    const blobs = openBlobStore(repo, new BlobIndex(), {}, signal);
    const files = Array.from({ length: 60 }, (_, i) => makeFile(folder, `file-${i}`, randomBytes(mebibyte)));
    const isFull = (error: unknown): boolean => isBackupError(error, "no-space");
    await assert.rejects(async () => {
      await store(blobs, files);
      await blobs.flush();
    }, isFull);
    assert.throws(() => blobs.saveBlobNow("tree", Buffer.from("x")), isFull);
    await blobs.close();
  });
});

test("close() ends what is under way and leaves nothing in the staging folder", async () => {
  await inFolder(async (folder) => {
    const machine = readThisMachine();
    const storage = await openLocalStorage(join(folder, "repo"), { create: true, machine });
    const repo = await openTestRepository(storage, { machine });
    const staging = storage.properties.stagingDirectory;
    assert.ok(staging !== undefined);
    const blobs = openBlobStore(repo, new BlobIndex(), {}, signal);
    const files = Array.from({ length: 40 }, (_, i) =>
      makeFile(folder, `file-${i}`, randomBytes(3 * mebibyte)),
    );
    const storing = store(blobs, files);
    storing.catch(() => undefined);
    while (blobs.bytesRead < 20 * mebibyte) await new Promise(setImmediate);
    await blobs.close();
    await blobs.close();
    await assert.rejects(storing);
    assert.deepEqual(readdirSync(staging), []);
  });
});

test("close() takes no harm from what it cannot remove", async () => {
  await inFolder(async (folder) => {
    const staging = join(folder, "staging");
    mkdirSync(staging);
    const inner = new MemoryStorage();
    const repo = await openTestRepository(inner);
    const failing: Storage = Object.assign(Object.create(inner), {
      properties: { ...inner.properties, stagingDirectory: staging },
      put: async (_: string, content: StorageContent) => {
        // A folder is not removed as a file is.
        if ("preparedFile" in content) mkdirSync(`${content.preparedFile}-folder`);
        throw new BackupError("storage-unavailable", "Cannot store a pack: the disk fails");
      },
    });
    const blobs = openBlobStore({ ...repo, storage: failing }, new BlobIndex(), {}, signal);
    await blobs.run({
      kind: "files",
      paths: [byteStringFromText(makeFile(folder, "a", randomBytes(99)).path)],
    });
    await assert.rejects(blobs.flush(), (error) => isBackupError(error, "storage-unavailable"));
    await blobs.close();
    assert.equal(readdirSync(staging).length, 1);
  });
});
