import assert from "node:assert/strict";
import { test } from "node:test";
import type { Storage } from "../../storage/storage.ts";
import { sweepCreate, sweepRemove } from "../../testing/repository-vault-sweep.ts";

// Each of them: test/interop/repository-sweep.test.ts.
test("begin() to finish() of a backup in a repository, cut short here and there, leaves whole backups and nothing else", async () => {
  const { tried, unreached } = await sweepCreate("full", { every: 11 });
  assert.ok(tried > 10, `${tried} interruptions were tried`);
  assert.ok(unreached <= 2, `${unreached} were not reached`);
});

test("remove() of a backup in a repository, cut short here and there, leaves whole backups and nothing else", async () => {
  const { tried, unreached } = await sweepRemove({ every: 5 });
  assert.ok(tried > 20, `${tried} interruptions were tried`);
  assert.equal(unreached, 0);
});

/** All of a storage, to be changed in one place. */
function passOn(inner: Storage): Storage {
  return {
    location: inner.location,
    properties: inner.properties,
    put: (name, content, signal) => inner.put(name, content, signal),
    get: (name, range, signal) => inner.get(name, range, signal),
    stat: (name, signal) => inner.stat(name, signal),
    list: (prefix, signal) => inner.list(prefix, signal),
    remove: (names, signal) => inner.remove(names, signal),
    freeBytes: (signal) => inner.freeBytes(signal),
    cleanUnfinished: (signal) => inner.cleanUnfinished(signal),
    [Symbol.asyncDispose]: () => inner[Symbol.asyncDispose](),
  };
}

test("the sweep catches a backup whose packs are stored after its snapshot", async () => {
  const packsLast = (inner: Storage): Storage => {
    const late: [string, Uint8Array][] = [];
    return {
      ...passOn(inner),
      put: async (name, content, signal) => {
        if (name.startsWith("data/") && content instanceof Uint8Array) {
          late.push([name, Buffer.from(content)]);
          return;
        }
        await inner.put(name, content, signal);
        if (!name.startsWith("snapshots/")) return;
        for (const [pack, bytes] of late) await inner.put(pack, bytes, signal);
      },
    };
  };
  await assert.rejects(
    sweepCreate("database", { sabotage: packsLast, every: 5 }),
    /The check failed after a fault/,
  );
});

test("the sweep catches a removal that takes what other backups need", async () => {
  const bytesFirst = (inner: Storage): Storage => ({
    ...passOn(inner),
    remove: async (names, signal) => {
      if (names.some((name) => name.startsWith("snapshots/"))) {
        for await (const { name } of inner.list("index/", signal)) await inner.remove([name], signal);
      }
      await inner.remove(names, signal);
    },
  });
  await assert.rejects(sweepRemove({ sabotage: bytesFirst, every: 5 }));
});
