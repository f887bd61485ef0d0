import assert from "node:assert/strict";
import { hash } from "node:crypto";
import { test } from "node:test";
import { isBackupError } from "../../../domain/error.ts";
import { withBadSector } from "../../../testing/bad-sector.ts";
import { storageOf } from "../../../testing/sample-repository.ts";
import { openTestRepository } from "../../../testing/test-repository.ts";
import { signal } from "../../../testing/vault-probe.ts";
import { BlobIndex } from "../blob-index.ts";
import { PackWriter } from "../maintenance/pack-writer.ts";
import { packName } from "../objects.ts";
import type { Repository } from "../repository.ts";
import { BlobFetcher } from "./blob-fetch.ts";
import type { WantedBlob } from "./blob-ranges.ts";
import { BlobThreads } from "./blob-threads.ts";

const texts = ["one ", "two ", "three "];

/** Stores the texts as one pack. */
async function storePack(repo: Repository, stored: readonly string[]) {
  const writer = new PackWriter(repo, signal);
  for (const text of stored) await writer.add(hash("sha256", text, "hex"), "data", Buffer.from(text));
  return await writer.finish();
}

async function load(repo: Repository, index: BlobIndex): Promise<readonly string[]> {
  await using threads = new BlobThreads(repo.key);
  const wanted = texts.map((text): WantedBlob => {
    return { place: index.find(hash("sha256", text, "hex"), "data") ?? assert.fail(text), at: 0 };
  });
  const loaded = await new BlobFetcher(repo, index, threads).loadBytes(wanted, signal);
  const shown = wanted.map(
    (blob) => loaded.failures.get(blob)?.message ?? Buffer.from(loaded.bytes.get(blob) ?? []).toString(),
  );
  loaded.release();
  return shown;
}

test("BlobFetcher reads around a bad sector, and takes another copy of what lies on it", async () => {
  const repo = await openTestRepository(await storageOf(new Map()));
  const index = new BlobIndex();
  const packs = await storePack(repo, texts);
  for (const pack of packs) index.add(pack);
  const { pack, offset } = index.find(hash("sha256", "two ", "hex"), "data") ?? assert.fail();
  const sector = { name: packName(pack), at: offset + 20 };
  const storage = withBadSector(repo.storage, sector);
  const [one, two, three] = await load({ ...repo, storage }, index);
  assert.deepEqual([one, three], ["one ", "three "]);
  assert.match(two ?? "", new RegExp(`of pack ${pack} cannot be read: its bytes cannot be read: EIO`));
  for (const copy of await storePack(repo, ["two "])) index.add(copy);
  assert.deepEqual(await load({ ...repo, storage }, index), texts);
});

test("BlobFetcher calls nothing damaged where the disk reads nothing, or another user may read it", async () => {
  const repo = await openTestRepository(await storageOf(new Map()));
  const index = new BlobIndex();
  for (const pack of await storePack(repo, texts)) index.add(pack);
  const name = packName([...index.packs()][0]?.id ?? "");
  const isUnavailable = (error: unknown): boolean => isBackupError(error, "storage-unavailable");
  const gone = withBadSector(withBadSector(repo.storage, { name, at: 20 }), { name: "config", at: 0 });
  await assert.rejects(load({ ...repo, storage: gone }, index), isUnavailable);
  const forbidden = withBadSector(repo.storage, { name, at: 20, code: "EACCES" });
  await assert.rejects(load({ ...repo, storage: forbidden }, index), isUnavailable);
});
