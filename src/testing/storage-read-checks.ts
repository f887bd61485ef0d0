/**
 * The laws of `Storage` beside those of `put`.
 *
 * @module
 */

import assert from "node:assert/strict";
import {
  bytesOf,
  leavesNothing,
  mebibyte,
  names,
  pattern,
  read,
  rejectsAborted,
  rejectsWith,
  type StorageCheck,
  signal,
} from "./storage-probe.ts";

export const storageReadChecks: readonly StorageCheck[] = [
  {
    name: "get() yields chunks of at most 1 MiB that stay the caller's",
    run: async (storage) => {
      const expected = pattern(4 * mebibyte + 1);
      await storage.put("chunks", expected, signal);
      const chunks: Uint8Array[] = [];
      for await (const chunk of storage.get("chunks", undefined, signal)) {
        assert.ok(chunk.byteLength > 0 && chunk.byteLength <= mebibyte);
        chunks.push(chunk);
      }
      assert.ok(Buffer.concat(chunks).equals(expected), "chunks kept to the end are unchanged");
      chunks[0]?.fill(0);
      assert.ok(
        (await read(storage, "chunks")).equals(expected),
        "writing to a chunk changes nothing stored",
      );
    },
  },
  {
    name: "get() reads a range and nothing else",
    run: async (storage) => {
      const expected = pattern(3 * mebibyte);
      await storage.put("ranges", expected, signal);
      for (const [offset, length] of [
        [0, 1],
        [1, 2],
        [mebibyte - 1, 2],
        [123_456, 2 * mebibyte],
        [3 * mebibyte - 1, 1],
        [0, 3 * mebibyte],
      ] as const) {
        const part = await read(storage, "ranges", { offset, length });
        assert.ok(part.equals(expected.subarray(offset, offset + length)), `${length} bytes at ${offset}`);
      }
    },
  },
  {
    name: "get() calls an object that ends before the range damaged, not missing",
    run: async (storage) => {
      await storage.put("short", bytesOf("12345"), signal);
      await rejectsWith(read(storage, "short", { offset: 3, length: 3 }), "damaged");
      await rejectsWith(read(storage, "short", { offset: 5, length: 1 }), "damaged");
      await rejectsWith(read(storage, "short", { offset: 900, length: 1 }), "damaged");
    },
  },
  {
    name: "get() calls an object that is not there missing, and stat() finds none",
    run: async (storage) => {
      await storage.put("dir/there", bytesOf("x"), signal);
      for (const name of ["missing", "dir/missing", "dir/there/below", "dir"]) {
        await rejectsWith(read(storage, name), name === "dir" ? ["not-found", "damaged"] : "not-found");
        assert.equal(await storage.stat(name, signal), undefined, name);
      }
    },
  },
  {
    name: "get() may be left early and read again, and several may read at once",
    run: async (storage) => {
      const expected = pattern(5 * mebibyte);
      await storage.put("shared", expected, signal);
      for await (const chunk of storage.get("shared", undefined, signal)) {
        assert.ok(chunk.byteLength > 0);
        break;
      }
      const copies = await Promise.all([1, 2, 3].map(() => read(storage, "shared")));
      for (const copy of copies) assert.ok(copy.equals(expected));
    },
  },
  {
    name: "get(), stat(), list() and remove() pass an abort through",
    run: async (storage) => {
      const expected = pattern(3 * mebibyte);
      await storage.put("stays", expected, signal);
      const aborted = AbortSignal.abort();
      await rejectsAborted(read(storage, "stays", undefined, aborted));
      await rejectsAborted(storage.stat("stays", aborted));
      await rejectsAborted(names(storage, "", aborted));
      await rejectsAborted(storage.remove(["stays"], aborted));
      const aborting = new AbortController();
      await rejectsAborted(
        (async () => {
          for await (const _ of storage.get("stays", undefined, aborting.signal)) aborting.abort();
        })(),
      );
      assert.ok((await read(storage, "stays")).equals(expected));
    },
  },
  {
    name: "list() names the objects that start with the prefix, wherever it is cut",
    run: async (storage) => {
      const all = ["a", "a.b", "aa/x", "ab/c/d", "ab/c/e", "b/a", "c/d/e/f", ".v/locks/1"];
      for (const name of all) await storage.put(name, bytesOf(name), signal);
      for (const prefix of [
        "",
        "a",
        "a.",
        "aa",
        "aa/",
        "ab/c",
        "ab/c/",
        "ab/c/d",
        "b/",
        "c/d/e/f",
        ".v/",
        "x",
        "x/y",
      ]) {
        const expected = all.filter((name) => name.startsWith(prefix)).sort();
        assert.deepEqual(await names(storage, prefix), expected, `prefix ${JSON.stringify(prefix)}`);
      }
    },
  },
  {
    name: "list() goes on when objects are removed while it runs",
    run: async (storage) => {
      const all = Array.from({ length: 150 }, (_, i) => `l/${String(i).padStart(3, "0")}`);
      await Promise.all(all.map((name) => storage.put(name, bytesOf("x"), signal)));
      const seen = new Set<string>();
      for await (const object of storage.list("l/", signal)) {
        if (seen.size === 0) await storage.remove(all.slice(100), signal);
        seen.add(object.name);
      }
      for (const name of all.slice(0, 100)) assert.ok(seen.has(name), name);
    },
  },
  {
    name: "remove() removes a batch, and what is gone already counts as removed",
    run: async (storage) => {
      const all = Array.from({ length: 40 }, (_, i) => `r/${i % 3}/${i}`);
      await Promise.all(all.map((name) => storage.put(name, bytesOf("x"), signal)));
      await storage.remove([...all.slice(1), "r/0/never-was", "nowhere/at/all"], signal);
      assert.deepEqual(await names(storage, ""), [all[0]]);
      await storage.remove(all.slice(1), signal);
      await storage.remove([], signal);
      await rejectsWith(read(storage, all[1] ?? ""), "not-found");
      assert.equal((await read(storage, all[0] ?? "")).toString(), "x");
    },
  },
  {
    name: "refuses names that could lead elsewhere, in every method",
    run: async (storage) => {
      for (const name of [
        "",
        ".",
        "..",
        "a/../b",
        "../x",
        "/etc/passwd",
        "a//b",
        "a/",
        "a/.",
        "a\\b",
        "a b",
        "a\0",
        "ü",
        ".tmp-x",
        "d/.tmp-x",
      ]) {
        await rejectsWith(storage.put(name, bytesOf("x"), signal), "invalid-input");
        await rejectsWith(read(storage, name), "invalid-input");
        await rejectsWith(storage.stat(name, signal), "invalid-input");
        await rejectsWith(storage.remove([name], signal), "invalid-input");
      }
      for (const prefix of ["../", "a/../", "/", "a//", "a b"]) {
        await rejectsWith(names(storage, prefix), "invalid-input");
      }
      await leavesNothing(storage, []);
    },
  },
  {
    name: "freeBytes() is a count of bytes where it is known",
    run: async (storage) => {
      const free = await storage.freeBytes(signal);
      if (free !== undefined) assert.ok(Number.isFinite(free) && free > 0);
    },
  },
  {
    name: "cleanUnfinished() takes nothing that is stored",
    run: async (storage) => {
      await storage.put("kept/a", bytesOf("a"), signal);
      assert.equal(await storage.cleanUnfinished(signal), 0);
      assert.equal((await read(storage, "kept/a")).toString(), "a");
    },
  },
];
