import assert from "node:assert/strict";
import { test } from "node:test";
import { backupTypes } from "../../domain/backup.ts";
import type { Storage, StorageContent, StoredObject } from "../../storage/storage.ts";
import { passOn } from "../../testing/sabotaged-storage.ts";
import { everyFew, fewOf } from "../../testing/every-few.ts";
import { sweepCreate, sweepRemove } from "../../testing/archive-vault-sweep.ts";

/** Interruptions of which the unit tests try one. */
const few = 3;

for (const type of backupTypes) {
  test(`begin() to finish() of a ${type} backup, cut short anywhere, leaves whole backups and nothing else`, async () => {
    const { tried, unreached } = await sweepCreate(type, { every: everyFew(few) });
    assert.ok(tried > fewOf(60, few), `${tried} interruptions were tried`);
    assert.equal(unreached, 0);
  });

  test(`remove() of a ${type} backup, cut short anywhere, leaves whole backups and nothing else`, async () => {
    const { tried, unreached } = await sweepRemove(type, { every: everyFew(few) });
    assert.ok(tried > fewOf(40, few), `${tried} interruptions were tried`);
    assert.equal(unreached, 0);
  });
}

async function collect(content: StorageContent): Promise<Uint8Array> {
  if (content instanceof Uint8Array) return Buffer.from(content);
  assert.ok(Symbol.asyncIterator in content);
  const chunks: Buffer[] = [];
  for await (const chunk of content) chunks.push(Buffer.from(chunk));
  return Buffer.concat(chunks);
}

test("the sweep catches a create that writes the metadata before the bytes", async () => {
  const metadataFirst = (inner: Storage): Storage => {
    let late: { name: string; bytes: Uint8Array } | undefined;
    const described = (): StoredObject | undefined =>
      late && { name: late.name, sizeBytes: late.bytes.byteLength, modifiedAtMs: 0 };
    return {
      ...passOn(inner),
      put: async (name, content, signal) => {
        if (name.endsWith(".db")) {
          late = { name, bytes: await collect(content) };
          return;
        }
        await inner.put(name, content, signal);
        if (name.startsWith("database/") && late !== undefined)
          await inner.put(late.name, late.bytes, signal);
      },
      stat: async (name, signal) =>
        (await inner.stat(name, signal)) ?? (late?.name === name ? described() : undefined),
    };
  };
  await assert.rejects(
    sweepCreate("database", { sabotage: metadataFirst }),
    /The check failed after a fault/,
  );
});

test("the sweep catches a removal that takes the bytes before the name", async () => {
  const bytesFirst = (inner: Storage): Storage => {
    let late: readonly string[] = [];
    return {
      ...passOn(inner),
      remove: async (names, signal) => {
        if (names.every((name) => name.endsWith(".json") && !name.startsWith(".vertex/"))) {
          late = names;
          return;
        }
        await inner.remove(names, signal);
        await inner.remove(late, signal);
        late = [];
      },
    };
  };
  await assert.rejects(sweepRemove("database", { sabotage: bytesFirst }), /The check failed after a fault/);
});

test("the sweep catches a create that does not say what it reserves", async () => {
  const unannounced = (inner: Storage): Storage => ({
    ...passOn(inner),
    put: async (name, content, signal) => {
      if (!name.startsWith(".vertex/locks/")) return await inner.put(name, content, signal);
      const run = JSON.parse(Buffer.from(await collect(content)).toString("utf8"));
      await inner.put(name, Buffer.from(JSON.stringify({ ...run, reserves: [] })), signal);
    },
  });
  await assert.rejects(sweepCreate("database", { sabotage: unannounced }), /The check failed after a fault/);
});
