/**
 * Small repositories made by hand, blob by blob, so that each test can say what lies
 * where and damage it; and a reader that restores everything in them.
 *
 * @module
 */

import assert from "node:assert/strict";
import { hash } from "node:crypto";
import { asByteString, byteStringFromText } from "../domain/byte-string.ts";
import type { ObjectId, TreeNode } from "../format/restic/model.ts";
import { encodeSnapshot } from "../format/restic/snapshot.ts";
import { encodeTree } from "../format/restic/tree.ts";
import { MemoryStorage } from "../storage/memory-storage.ts";
import { readAll } from "../storage/read-all.ts";
import type { Storage } from "../storage/storage.ts";
import { loadIndex } from "../vault/repository/load-index.ts";
import { loadSnapshots } from "../vault/repository/maintenance/load-snapshots.ts";
import { PackWriter } from "../vault/repository/maintenance/pack-writer.ts";
import { saveIndexFiles } from "../vault/repository/maintenance/prune/rewrite-index.ts";
import { loadTree } from "../vault/repository/maintenance/walk-trees.ts";
import { saveObject } from "../vault/repository/objects.ts";
import { BlobFetcher } from "../vault/repository/read/blob-fetch.ts";
import { BlobThreads } from "../vault/repository/read/blob-threads.ts";
import { plainLengthOf } from "../vault/repository/read/decode-blobs.ts";
import type { Repository } from "../vault/repository/repository.ts";
import { noonMs, signal } from "./vault-probe.ts";

/** Files by absolute path, each as the texts of its blobs. */
export type SampleFiles = Readonly<Record<string, readonly string[]>>;

interface Folder {
  readonly folders: Map<string, Folder>;
  readonly files: Map<string, readonly string[]>;
}

const nodeDefaults = {
  mode: 0o644,
  mtimeNs: BigInt(noonMs) * 1_000_000n,
  atimeNs: BigInt(noonMs) * 1_000_000n,
  ctimeNs: BigInt(noonMs) * 1_000_000n,
  uid: 1000,
  gid: 1000,
  user: "app",
  group: "app",
  inode: 7n,
  deviceId: 1n,
  links: 1,
  sizeBytes: 0,
};

/** Stores a backup the way a writer does, packs, index, snapshot, and returns the snapshot's id. Blobs that are there are not stored again. */
export async function storeSample(repo: Repository, files: SampleFiles, minute = 0): Promise<ObjectId> {
  const { index } = await loadIndex(repo, signal);
  const writer = new PackWriter(repo, signal);
  const stored = new Set<string>();
  const store = async (type: "data" | "tree", plain: Uint8Array): Promise<ObjectId> => {
    const id = hash("sha256", plain, "hex");
    if (!index.has(id, type) && !stored.has(`${type} ${id}`)) await writer.add(id, type, plain);
    stored.add(`${type} ${id}`);
    return id;
  };
  const storeFolder = async ({ folders, files: inside }: Folder): Promise<ObjectId> => {
    const nodes: TreeNode[] = [];
    for (const [name, folder] of folders) {
      const subtree = await storeFolder(folder);
      nodes.push({ ...nodeDefaults, name: byteStringFromText(name), type: "dir", mode: 0o755, subtree });
    }
    for (const [name, texts] of inside) {
      const content = await Promise.all(texts.map((text) => store("data", Buffer.from(text))));
      const sizeBytes = Buffer.byteLength(texts.join(""));
      nodes.push({ ...nodeDefaults, name: byteStringFromText(name), type: "file", sizeBytes, content });
    }
    return await store("tree", encodeTree(nodes.sort((a, b) => (a.name < b.name ? -1 : 1))));
  };
  const tree = await storeFolder(foldersOf(files));
  await saveIndexFiles(repo, await writer.finish(), () => Promise.resolve(), signal);
  const timeMs = noonMs + minute * 60_000;
  const document = encodeSnapshot({
    time: new Date(timeMs).toISOString(),
    timeMs,
    tree,
    paths: ["/srv"],
    hostname: "probe",
    username: "app",
    uid: 1000,
    gid: 1000,
    excludes: [],
    tags: [],
    programVersion: "sample 1",
  });
  return await saveObject(repo, "snapshots", document, signal);
}

function foldersOf(files: SampleFiles): Folder {
  const root: Folder = { folders: new Map(), files: new Map() };
  for (const [path, texts] of Object.entries(files)) {
    const names = path.split("/").slice(1);
    let at = root;
    for (const name of names.slice(0, -1)) {
      const folder = at.folders.get(name) ?? { folders: new Map(), files: new Map() };
      at.folders.set(name, folder);
      at = folder;
    }
    at.files.set(names.at(-1) ?? "", texts);
  }
  return root;
}

/** Content by path. */
export type RestoredFiles = Readonly<Record<string, string>>;

/** Every snapshot that is listed, restored in full, by its own id. @throws where anything is missing or damaged */
export async function restoreAll(repo: Repository): Promise<ReadonlyMap<ObjectId, RestoredFiles>> {
  const { snapshots, damaged } = await loadSnapshots(repo, signal);
  assert.deepEqual(damaged, []);
  const { index } = await loadIndex(repo, signal);
  await using threads = new BlobThreads(repo.key);
  const source = { index, fetcher: new BlobFetcher(repo, index, threads) };
  const read = async (id: ObjectId): Promise<string> => {
    const place = index.find(id, "data");
    assert.ok(place !== undefined, `blob ${id} is listed`);
    const target = new ArrayBuffer(plainLengthOf(place));
    const [failure] = (await source.fetcher.load([{ place, at: 0 }], target, signal)).values();
    assert.equal(failure?.message, undefined);
    return Buffer.from(target).toString();
  };
  const restored = new Map<ObjectId, RestoredFiles>();
  for (const { id, document } of snapshots) {
    const files: Record<string, string> = {};
    const restoreFolder = async (tree: ObjectId, path: string): Promise<void> => {
      const nodes = await loadTree(source, tree, signal);
      assert.ok(typeof nodes !== "string", `tree ${tree} of ${path}: ${String(nodes)}`);
      for (const { name, subtree, content } of nodes) {
        if (subtree !== undefined) await restoreFolder(subtree, `${path}/${name}`);
        if (content !== undefined) files[`${path}/${name}`] = (await Promise.all(content.map(read))).join("");
      }
    };
    await restoreFolder(document.tree, asByteString(""));
    restored.set(id, files);
  }
  return restored;
}

/** What {@link restoreAll} gives for files. */
export function contentOf(files: SampleFiles): RestoredFiles {
  return Object.fromEntries(Object.entries(files).map(([path, texts]) => [path, texts.join("")]));
}

/** All objects, so that a storage can be made again as it was. */
export async function objectsOf(storage: Storage): Promise<ReadonlyMap<string, Buffer>> {
  const objects = new Map<string, Buffer>();
  for await (const { name } of storage.list("", signal)) {
    objects.set(name, await readAll(storage, name, 64 * 1024 * 1024, signal));
  }
  return objects;
}

export async function storageOf(objects: ReadonlyMap<string, Uint8Array>): Promise<MemoryStorage> {
  const storage = new MemoryStorage();
  for (const [name, bytes] of objects) await storage.put(name, bytes, signal);
  return storage;
}
