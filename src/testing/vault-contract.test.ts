/**
 * Vaults that break one law each. A suite that lets one pass proves nothing.
 *
 * @module
 */

import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout } from "node:timers/promises";
import type { Entry } from "../domain/entry.ts";
import type { AddedEntry, BackupReader, BackupRemover, BackupWriter, Vault } from "../vault/vault.ts";
import { openMemoryPlace } from "./archive-vault-places.ts";
import { vaultChecks } from "./vault-contract.ts";

/** Does not touch what any of the sabotages breaks. */
const untouched = /^finish\(\) asks/;

/** Names of those of the wanted checks that fail on an archive vault some of whose methods are replaced. */
async function failedChecks(wanted: RegExp, sabotage: (vault: Vault) => Partial<Vault>): Promise<string[]> {
  const failed: string[] = [];
  const checks = vaultChecks.filter(({ name }) => wanted.test(name) || untouched.test(name));
  for (const check of checks) {
    await using place = await openMemoryPlace();
    const open = async (machine: Parameters<typeof place.open>[0]): Promise<Vault> => {
      const vault = await place.open(machine);
      return replaced(vault, sabotage(vault));
    };
    await check.run({ ...place, open }).catch(() => failed.push(check.name));
  }
  return failed;
}

/** The same object with some methods replaced; the others still run on the original. */
function replaced<T extends object>(target: T, methods: Partial<T>): T {
  return new Proxy(target, {
    get(original, key) {
      const value = key in methods ? methods[key as keyof T] : original[key as keyof T];
      // Not bound: Node 24 takes no bound function as a disposer.
      return typeof value === "function" ? (...args: unknown[]) => value.apply(original, args) : value;
    },
  });
}

/** The same entry, its stream as long as it should be whatever it gives. */
function paddedEntry(entry: Entry): Entry {
  const { content, sizeBytes } = entry;
  if (content?.from !== "stream") return entry;
  const open = async function* (by: AbortSignal): AsyncGenerator<Uint8Array> {
    const given = await Array.fromAsync(content.open(by), (chunk) => Buffer.from(chunk)).catch(() => []);
    yield Buffer.concat([...given, Buffer.alloc(sizeBytes)]).subarray(0, sizeBytes);
  };
  return { ...entry, content: { from: "stream", open } };
}

const sabotages: readonly {
  readonly what: string;
  readonly caught: RegExp;
  readonly with: (vault: Vault) => Partial<Vault>;
}[] = [
  {
    what: "lists the oldest first",
    caught: /^list\(\) orders/,
    with: (vault) => ({ list: async (signal) => (await vault.list(signal)).toReversed() }),
  },
  {
    what: "holds nothing",
    caught: /^exclusively\(\) does not go on beside/,
    with: () => ({ hold: async () => ({ async [Symbol.asyncDispose]() {} }) }),
  },
  {
    what: "removes without being alone",
    caught: /^begin\(\) does not go on beside a removal/,
    with: (vault) => ({
      exclusively: (work) =>
        work({ list: vault.list.bind(vault), remove: async () => undefined } satisfies BackupRemover),
    }),
  },
  {
    what: "forgets its records",
    caught: /^records keep/,
    with: () => ({
      records: { add: async () => undefined, list: async () => [], remove: async () => undefined },
    }),
  },
  {
    what: "loses the end of a database",
    caught: /^open\(\) gives back every byte/,
    with: (vault) => ({
      open: async (id, signal) => {
        const reader = await vault.open(id, signal);
        return replaced<BackupReader>(reader, {
          async *readDatabase(name, by) {
            for await (const chunk of reader.readDatabase(name, by)) yield chunk.subarray(1);
          },
        });
      },
    }),
  },
  {
    what: "does not undo what is aborted",
    caught: /^exclusively\(\) does not go on beside/,
    with: (vault) => ({
      begin: async (options, signal) =>
        replaced<BackupWriter>(await vault.begin(options, signal), { abort: async () => undefined }),
    }),
  },
  {
    what: "finds nothing wrong",
    caught: /^verify\(\) reports what the check of a database says/,
    with: (vault) => ({
      verify: async (id, options, signal) => ({ ...(await vault.verify(id, options, signal)), ok: true }),
    }),
  },
  {
    what: "stores of a stream what there is",
    caught: /^add\(\) fails the backup/,
    with: (vault) => ({
      begin: async (options, signal) => {
        const writer = await vault.begin(options, signal);
        const padded = (added: AddedEntry): AddedEntry => ({ ...added, entry: paddedEntry(added.entry) });
        return replaced<BackupWriter>(writer, { add: (entries, by) => writer.add(entries.map(padded), by) });
      },
    }),
  },
  {
    what: "reads streams some time later",
    caught: /^add\(\) stores streams/,
    with: (vault) => ({
      begin: async (options, signal) => {
        const writer = await vault.begin(options, signal);
        let last = Promise.resolve();
        return replaced<BackupWriter>(writer, {
          add: async (entries, by) => {
            last = last.then(() => setTimeout(1)).then(() => writer.add(entries, by));
          },
          finish: async (summary, by) => {
            await last;
            return await writer.finish(summary, by);
          },
        });
      },
    }),
  },
  {
    what: "forgets what a backup was copied from",
    caught: /^add\(\) stores streams/,
    with: (vault) => ({
      list: async (signal) => (await vault.list(signal)).map(({ copiedFrom: _, ...backup }) => backup),
    }),
  },
];

for (const { what, caught, with: sabotage } of sabotages) {
  test(`the vault contract catches a vault that ${what}`, async () => {
    const failed = await failedChecks(caught, sabotage);
    assert.deepEqual(
      failed.map((name) => caught.test(name)),
      [true],
    );
  });
}
