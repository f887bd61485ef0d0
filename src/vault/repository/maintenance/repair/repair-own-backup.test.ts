import assert from "node:assert/strict";
import { test } from "node:test";
import { asByteString } from "../../../../domain/byte-string.ts";
import type { Entry } from "../../../../domain/entry.ts";
import { MemoryStorage } from "../../../../storage/memory-storage.ts";
import { openMemoryRepositoryPlace } from "../../../../testing/repository-vault-places.ts";
import { openTestRepository } from "../../../../testing/test-repository.ts";
import {
  beginOptions,
  makeImage,
  noWait,
  signal,
  summary,
  TestMachine,
} from "../../../../testing/vault-probe.ts";
import { loadIndex } from "../../load-index.ts";
import { removeObjects } from "../../objects.ts";

/** More than a repair names. */
const filesLost = 1_100;

function fileEntry(name: string): Entry {
  const bytes = Buffer.from(`content of ${name}`);
  const open = async function* (): AsyncGenerator<Uint8Array> {
    yield bytes;
  };
  return {
    root: "files",
    path: asByteString(name),
    kind: "file",
    mode: 0o644,
    uid: 1,
    gid: 1,
    mtimeNs: 1n,
    ctimeNs: 1n,
    inode: 1n,
    sizeBytes: bytes.length,
    content: { from: "stream", open },
  };
}

test("repairBackups() calls a backup damaged whose database is lost, however many files are lost before it", async () => {
  const storage = new MemoryStorage();
  await using place = await openMemoryRepositoryPlace(storage);
  const machine = new TestMachine().process(1);
  await using vault = await place.open(machine);
  const writer = await vault.begin(beginOptions(), signal);
  const { image } = await makeImage(vault, place.folder, { path: "/srv/z/z/z/z.db" });
  await writer.addDatabase(image, signal);
  const names = Array.from({ length: filesLost }, (_, i) => `file-${String(i).padStart(5, "0")}`);
  await writer.add(
    names.map((name) => ({ entry: fileEntry(name), settled: false })),
    signal,
  );
  const { id } = await writer.finish(summary(), signal);
  const repo = await openTestRepository(storage, { machine });
  const { index } = await loadIndex(repo, signal);
  const packs = Array.from(index.packs()).filter(({ blobs }) => blobs.some(({ type }) => type === "data"));
  await removeObjects(
    repo,
    "data",
    packs.map((pack) => pack.id),
    signal,
  );
  const report = await vault.maintenance?.repairBackups(
    { ...noWait, confirm: async () => true, dryRun: false },
    signal,
  );
  assert.deepEqual(report?.rewritten, [id]);
  const [backup] = await vault.list(signal);
  assert.equal(backup?.state, "damaged");
  assert.match(backup?.stateReason ?? "", /database app\.db/);
});
