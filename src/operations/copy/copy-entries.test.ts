import assert from "node:assert/strict";
import { test } from "node:test";
import { byteStringFromText } from "../../domain/byte-string.ts";
import type { Entry, StoredEntry } from "../../domain/entry.ts";
import { sampleBackup } from "../../testing/sample-backup.ts";
import { signal } from "../../testing/vault-probe.ts";
import type { BackupReader, BackupWriter } from "../../vault/vault.ts";
import { copyEntries } from "./copy-entries.ts";

/** A file with the very same inode in each of two folders, as on two disks; `second` is a further name of it. */
function entriesOf(root: string, changes: Partial<StoredEntry>): readonly StoredEntry[] {
  const looks = { kind: "file", mode: 0o644, uid: 1, gid: 1, mtimeNs: 5n, ctimeNs: 6n, inode: 42n } as const;
  const [first, second, single] = ["first", "second", "single"].map((name) => byteStringFromText(name));
  return [
    { ...looks, root, path: first!, sizeBytes: 0, contentId: "a", ...changes },
    { ...looks, root, path: second!, sizeBytes: 0, hardLinkTo: first!, ...changes },
    { ...looks, root, path: single!, sizeBytes: 0, contentId: "a", inode: 43n, ...changes, links: 1 },
  ];
}

/** What a writer is given of these. */
async function copied(changes: Partial<StoredEntry>): Promise<readonly Entry[]> {
  const roots = ["one", "two"].map((name) => ({ name, path: `/${name}` }));
  const entries = roots.flatMap(({ name }) => entriesOf(name, changes));
  const given: Entry[] = [];
  const reader: Partial<BackupReader> = {
    backup: sampleBackup({ roots }),
    async *entries() {
      yield* entries;
    },
    async *contents() {
      for (const entry of entries) yield { entry };
    },
  };
  const writer: Partial<BackupWriter> = {
    settle: async (some) => some.map(() => false),
    add: async (some) => void given.push(...some.map(({ entry }) => entry)),
  };
  await copyEntries(reader as BackupReader, writer as BackupWriter, () => undefined, signal);
  return given;
}

test("copyEntries() tells files with several names apart that have one inode on devices nobody knows", async () => {
  const [first, second, single, other] = await copied({});
  assert.deepEqual([first?.links, second?.links, single?.links, other?.links], [2, 2, 1, 2]);
  assert.ok(first?.deviceId !== undefined && other?.deviceId !== undefined);
  assert.notEqual(first.deviceId, other.deviceId);
  assert.equal(single?.deviceId, undefined);
  const [again] = await copied({});
  assert.equal(again?.deviceId, first.deviceId, "the same tree for the same backup");
});

test("copyEntries() keeps the device and the number of names where they are known", async () => {
  const [first, , , other] = await copied({ deviceId: 17n, links: 3 });
  for (const entry of [first, other]) assert.deepEqual([entry?.deviceId, entry?.links], [17n, 3]);
});
