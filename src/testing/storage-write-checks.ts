/**
 * The laws of `Storage.put`.
 *
 * @module
 */

import assert from "node:assert/strict";
import { isBackupError } from "../domain/error.ts";
import {
  bytesOf,
  failing,
  isThere,
  leavesNothing,
  mebibyte,
  names,
  pattern,
  pausing,
  read,
  rejectsAborted,
  rejectsWith,
  reusingOneBuffer,
  type StorageCheck,
  signal,
  slices,
  withPreparedFile,
} from "./storage-probe.ts";

export const storageWriteChecks: readonly StorageCheck[] = [
  {
    name: "put() stores bytes that get(), stat() and list() then see",
    run: async (storage) => {
      const before = Date.now();
      await storage.put("full/a.json", bytesOf("hello"), signal);
      assert.equal((await read(storage, "full/a.json")).toString(), "hello");
      const [listed] = await names(storage, "");
      assert.equal(listed, "full/a.json");
      const found = await storage.stat("full/a.json", signal);
      assert.equal(found?.name, "full/a.json");
      assert.equal(found?.sizeBytes, 5);
      // Clocks of other machines and coarse file times may be off; a wrong unit is not.
      assert.ok(Math.abs((found?.modifiedAtMs ?? 0) - before) < 3_600_000, "time in milliseconds");
    },
  },
  {
    name: "put() stores a stream of unknown length, chunk by chunk",
    run: async (storage) => {
      const expected = pattern(3 * mebibyte + 12_345);
      await storage.put("storage/big.bin", slices(expected, 70_001), signal);
      assert.ok((await read(storage, "storage/big.bin")).equals(expected));
    },
  },
  {
    name: "put() has copied a chunk before it asks for the next, so that its producer may reuse it",
    run: async (storage) => {
      await storage.put("reused", reusingOneBuffer(2_000, 1_000), signal);
      const stored = await read(storage, "reused");
      for (let i = 0; i < 2_000; i++) assert.equal(stored[i * 1_000 + 999], i % 251, `chunk ${i}`);
    },
  },
  {
    name: "put() stores an object of no bytes",
    run: async (storage) => {
      await storage.put("empty", new Uint8Array(0), signal);
      await storage.put("empty-stream", slices(Buffer.alloc(0), 1), signal);
      assert.equal((await read(storage, "empty")).byteLength, 0);
      assert.equal((await storage.stat("empty-stream", signal))?.sizeBytes, 0);
      assert.deepEqual(await names(storage, "empty"), ["empty", "empty-stream"]);
    },
  },
  {
    name: "put() takes a prepared file over, whatever comes of it",
    run: async (storage) => {
      const expected = pattern(mebibyte + 77);
      await withPreparedFile(storage, expected, async (path) => {
        await storage.put("database/a.db", { preparedFile: path }, signal);
        assert.ok((await read(storage, "database/a.db")).equals(expected));
        assert.equal(await isThere(path), false);
      });
      await withPreparedFile(storage, bytesOf("second"), async (path) => {
        await rejectsWith(storage.put("database/a.db", { preparedFile: path }, signal), "exists");
        assert.equal(await isThere(path), false);
      });
      await withPreparedFile(storage, bytesOf("third"), async (path) => {
        await rejectsAborted(storage.put("database/b.db", { preparedFile: path }, AbortSignal.abort()));
        assert.equal(await isThere(path), false);
      });
      assert.ok((await read(storage, "database/a.db")).equals(expected));
      assert.deepEqual(await names(storage, ""), ["database/a.db"]);
    },
  },
  {
    name: "put() never overwrites (I2)",
    run: async (storage) => {
      await storage.put("a/first", bytesOf("first"), signal);
      await rejectsWith(storage.put("a/first", bytesOf("second"), signal), "exists");
      await rejectsWith(storage.put("a/first", slices(bytesOf("third"), 2), signal), "exists");
      assert.equal((await read(storage, "a/first")).toString(), "first");
    },
  },
  {
    name: "put() lets exactly one of many racing writers win (I7)",
    run: async (storage) => {
      const racers = Array.from({ length: 12 }, (_, i) => `racer ${i}`);
      const outcomes = await Promise.allSettled(
        racers.map((text, i) =>
          storage.put("race/x", i % 2 ? bytesOf(text) : slices(bytesOf(text), 3), signal),
        ),
      );
      const winners = racers.filter((_, i) => outcomes[i]?.status === "fulfilled");
      assert.equal(winners.length, 1);
      for (const outcome of outcomes) {
        if (outcome.status === "rejected")
          assert.ok(isBackupError(outcome.reason, "exists"), String(outcome.reason));
      }
      assert.equal((await read(storage, "race/x")).toString(), winners[0]);
      assert.deepEqual(await names(storage, ""), ["race/x"]);
    },
  },
  {
    name: "put() stores many objects at once",
    run: async (storage) => {
      const wanted = Array.from(
        { length: 60 },
        (_, i) => `many/${i % 4}/object-${String(i).padStart(2, "0")}`,
      );
      await Promise.all(wanted.map((name) => storage.put(name, bytesOf(name), signal)));
      assert.deepEqual(await names(storage, "many/"), [...wanted].sort());
      const texts = await Promise.all(wanted.map(async (name) => (await read(storage, name)).toString()));
      assert.deepEqual(texts, wanted);
    },
  },
  {
    name: "put() shows nobody an unfinished object (I1, I8)",
    run: async (storage) => {
      const pause = Promise.withResolvers<void>();
      const paused = Promise.withResolvers<void>();
      const putting = storage.put("slow/x", pausing(2 * mebibyte, paused.resolve, pause.promise), signal);
      await paused.promise;
      assert.deepEqual(await names(storage, ""), []);
      assert.equal(await storage.stat("slow/x", signal), undefined);
      await rejectsWith(read(storage, "slow/x"), "not-found");
      assert.equal(await storage.cleanUnfinished(signal), 0, "a write under way is not cleaned");
      pause.resolve();
      await putting;
      assert.equal((await read(storage, "slow/x")).byteLength, 4 * mebibyte);
    },
  },
  {
    name: "put() leaves nothing when it is aborted, and passes the abort through",
    run: async (storage) => {
      await rejectsAborted(storage.put("x/early", bytesOf("a"), AbortSignal.abort()));
      const aborting = new AbortController();
      const stream = (async function* () {
        yield pattern(2 * mebibyte);
        aborting.abort();
        yield pattern(2 * mebibyte);
      })();
      await rejectsAborted(storage.put("x/late", stream, aborting.signal));
      await leavesNothing(storage, ["x/early", "x/late"]);
    },
  },
  {
    name: "put() leaves nothing when its stream fails, passes the failure through and closes the stream",
    run: async (storage) => {
      // With a system error's code: the producer's disk being full is not the storage's.
      const failure = Object.assign(new Error("the producer failed"), { code: "ENOSPC" });
      const stream = (async function* () {
        yield pattern(2 * mebibyte);
        throw failure;
      })();
      await assert.rejects(storage.put("x/failing", stream, signal), (error) => error === failure);
      await leavesNothing(storage, ["x/failing"]);

      let closed = false;
      const aborting = new AbortController();
      const watched = (async function* () {
        try {
          for (let i = 0; i < 100; i++) {
            yield pattern(1_000);
            aborting.abort();
          }
        } finally {
          closed = true;
        }
      })();
      await rejectsAborted(storage.put("x/closed", watched, aborting.signal));
      assert.equal(closed, true, "the stream is closed");
    },
  },
  {
    name: "put() stores under a name again after a failure or a removal",
    run: async (storage) => {
      await assert.rejects(storage.put("again", failing(), signal));
      await storage.put("again", bytesOf("1"), signal);
      await storage.remove(["again"], signal);
      await storage.put("again", bytesOf("2"), signal);
      assert.equal((await read(storage, "again")).toString(), "2");
    },
  },
];
