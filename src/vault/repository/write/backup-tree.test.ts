import assert from "node:assert/strict";
import { test } from "node:test";
import { asByteString } from "../../../domain/byte-string.ts";
import { isBackupError } from "../../../domain/error.ts";
import { MemoryStorage } from "../../../storage/memory-storage.ts";
import { openTestRepository } from "../../../testing/test-repository.ts";
import { noonMs, signal } from "../../../testing/vault-probe.ts";
import { BlobIndex } from "../blob-index.ts";
import { openBlobStore } from "../store/blob-store.ts";
import { BackupTree } from "./backup-tree.ts";
import { DatabasePlaces } from "./database-places.ts";
import { NodeMaker } from "./tree-nodes.ts";

async function openTree(): Promise<BackupTree> {
  const store = openBlobStore(await openTestRepository(new MemoryStorage()), new BlobIndex(), {}, signal);
  const nodes = new NodeMaker(undefined);
  return new BackupTree({
    store,
    nodes,
    databases: new DatabasePlaces(nodes, noonMs),
    roots: [
      { name: "files", path: "/srv/files" },
      { name: "missing", path: "/srv/missing" },
    ],
    startedAtMs: noonMs,
    isOfThisMachine: false,
  });
}

test("BackupTree refuses to leave out a root of which something was not stored", async () => {
  const tree = await openTree();
  const slot = tree.builderOf("files").addSlot(asByteString("a"));
  tree.end();
  assert.throws(
    () => tree.save("{}"),
    (error) => isBackupError(error, "bug"),
  );
  slot.fill(undefined);
  assert.match(
    tree.save("{}"),
    /^[0-9a-f]{64}$/,
    "a file that vanished is none, and a missing folder neither",
  );
});
