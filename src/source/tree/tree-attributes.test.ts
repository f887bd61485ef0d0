import assert from "node:assert/strict";
import { closeSync, lstatSync, mkdtempSync, openSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import type { EntryAttributes } from "../../domain/entry.ts";
import { fc } from "../../testing/properties.ts";
import { modeToRestore, ownerPolicy, restoreFileAttributes, secondsToRestore } from "./tree-attributes.ts";

const someone = { canChown: true, uid: 1000, gid: 1000, groups: new Set([1000]), dropsSetId: false };

test("modeToRestore() puts set-id bits back only together with the owner, and never from foreign archives", () => {
  assert.equal(modeToRestore(0o6755, true, someone), 0o6755);
  assert.equal(modeToRestore(0o6755, false, someone), 0o755);
  assert.equal(modeToRestore(0o7755, true, { ...someone, dropsSetId: true }), 0o1755);
});

test("secondsToRestore() moves times no file system holds to the nearest it can", () => {
  assert.equal(secondsToRestore(10n ** 30n), 2 ** 34 - 1);
  assert.equal(secondsToRestore(-(10n ** 30n)), String(-(2 ** 31)));
});

test("restored times are those recorded, to the microsecond, also before 1970", (t) => {
  const folder = mkdtempSync(join(tmpdir(), "tree-attributes-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const path = join(folder, "file");
  const descriptor = openSync(path, "w");
  const attributes: EntryAttributes = {
    kind: "file",
    mode: 0o640,
    uid: process.geteuid?.() ?? 0,
    gid: process.getegid?.() ?? 0,
    mtimeNs: 0n,
    ctimeNs: 0n,
    inode: 0n,
    sizeBytes: 0,
  };
  const microsecond = (ns: bigint): bigint => (ns - (((ns % 1000n) + 1000n) % 1000n)) / 1000n;
  fc.assert(
    fc.property(fc.bigInt(-(2n ** 30n) * 10n ** 9n, 2n ** 32n * 10n ** 9n), (mtimeNs) => {
      restoreFileAttributes(descriptor, { ...attributes, mtimeNs }, ownerPolicy(false, attributes.gid));
      assert.equal(microsecond(lstatSync(path, { bigint: true }).mtimeNs), microsecond(mtimeNs));
    }),
    { numRuns: 500 },
  );
  closeSync(descriptor);
});
