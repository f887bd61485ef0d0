/**
 * Drivers that break one law each. A suite that lets one pass proves nothing.
 *
 * @module
 */

import assert from "node:assert/strict";
import { test } from "node:test";
import { MemoryStorage } from "../storage/memory-storage.ts";
import { readAll } from "../storage/read-all.ts";
import type { ByteRange, Storage, StorageContent, StoredObject } from "../storage/storage.ts";
import { storageChecks } from "./storage-contract.ts";

/** Names of the checks that a storage fails. */
async function failedChecks(open: () => Storage): Promise<string[]> {
  const failed: string[] = [];
  for (const check of storageChecks) {
    await check.run(open()).catch(() => failed.push(check.name));
  }
  return failed;
}

class Overwriting extends MemoryStorage {
  override async put(name: string, content: StorageContent, signal: AbortSignal): Promise<void> {
    if ((await this.stat(name, signal)) !== undefined) await this.remove([name], signal);
    await super.put(name, content, signal);
  }
}

class WinsSilently extends MemoryStorage {
  override async put(name: string, content: StorageContent, signal: AbortSignal): Promise<void> {
    await super.put(name, content, signal).catch((error: { kind?: string }) => {
      if (error.kind !== "exists") throw error;
    });
  }
}

/** Stores what came before the stream failed or was aborted. */
class KeepsHalves extends MemoryStorage {
  override async put(name: string, content: StorageContent, signal: AbortSignal): Promise<void> {
    if (!(Symbol.asyncIterator in content)) return super.put(name, content, signal);
    const chunks: Uint8Array[] = [];
    try {
      for await (const chunk of content) {
        signal.throwIfAborted();
        chunks.push(Buffer.from(chunk));
      }
    } catch (error) {
      await super.put(name, Buffer.concat(chunks), new AbortController().signal);
      throw error;
    }
    await super.put(name, Buffer.concat(chunks), signal);
  }
}

class ShowsUnfinished extends MemoryStorage {
  override async put(name: string, content: StorageContent, signal: AbortSignal): Promise<void> {
    if (!(Symbol.asyncIterator in content)) return super.put(name, content, signal);
    if ((await this.stat(name, signal)) !== undefined) return super.put(name, content, signal);
    await super.put(name, Buffer.from("unfinished"), signal);
    const chunks = await Array.fromAsync(content, (chunk) => Buffer.from(chunk));
    await this.remove([name], signal);
    await super.put(name, Buffer.concat(chunks), signal);
  }
}

class KeepsReferences extends MemoryStorage {
  override async put(name: string, content: StorageContent, signal: AbortSignal): Promise<void> {
    if (!(Symbol.asyncIterator in content)) return super.put(name, content, signal);
    await super.put(name, Buffer.concat(await Array.fromAsync(content)), signal);
  }
}

class LeavesPreparedFiles extends MemoryStorage {
  override async put(name: string, content: StorageContent, signal: AbortSignal): Promise<void> {
    if ("preparedFile" in content && signal.aborted) signal.throwIfAborted();
    await super.put(name, content, signal);
  }
}

class IgnoresOffsets extends MemoryStorage {
  override get(name: string, range: ByteRange | undefined, signal: AbortSignal): AsyncIterable<Uint8Array> {
    return super.get(name, range && { ...range, offset: 0 }, signal);
  }
}

class ShortensRanges extends MemoryStorage {
  override async *get(
    name: string,
    range: ByteRange | undefined,
    signal: AbortSignal,
  ): AsyncIterable<Uint8Array> {
    const whole = await readAll({ get: super.get.bind(this) }, name, 1e9, signal);
    yield range ? whole.subarray(range.offset, range.offset + range.length) : whole;
  }
}

class ListsFolders extends MemoryStorage {
  override list(prefix: string, signal: AbortSignal): AsyncIterable<StoredObject> {
    return super.list(prefix.slice(0, prefix.lastIndexOf("/") + 1), signal);
  }
}

class RefusesToRemoveTwice extends MemoryStorage {
  override async remove(names: readonly string[], signal: AbortSignal): Promise<void> {
    for (const name of names) {
      if ((await this.stat(name, signal)) === undefined) throw new Error(`${name} is gone`);
    }
    await super.remove(names, signal);
  }
}

class RemovesOnlyTheFirst extends MemoryStorage {
  override async remove(names: readonly string[], signal: AbortSignal): Promise<void> {
    await super.remove(names.slice(0, 1), signal);
  }
}

class IgnoresAborts extends MemoryStorage {
  override async put(name: string, content: StorageContent): Promise<void> {
    await super.put(name, content, new AbortController().signal);
  }
}

class CleansObjects extends MemoryStorage {
  override async cleanUnfinished(signal: AbortSignal): Promise<number> {
    const objects = await Array.fromAsync(this.list("", signal), (object) => object.name);
    await this.remove(objects, signal);
    return objects.length;
  }
}

class CountsSeconds extends MemoryStorage {
  override async stat(name: string, signal: AbortSignal): Promise<StoredObject | undefined> {
    const found = await super.stat(name, signal);
    return found && { ...found, modifiedAtMs: Math.floor(found.modifiedAtMs / 1000) };
  }
}

const broken: readonly (new () => Storage)[] = [
  Overwriting,
  WinsSilently,
  KeepsHalves,
  ShowsUnfinished,
  KeepsReferences,
  LeavesPreparedFiles,
  IgnoresOffsets,
  ShortensRanges,
  ListsFolders,
  RefusesToRemoveTwice,
  RemovesOnlyTheFirst,
  IgnoresAborts,
  CleansObjects,
  CountsSeconds,
];

test("the storage contract passes a driver that keeps every law", async () => {
  assert.deepEqual(await failedChecks(() => new MemoryStorage()), []);
  assert.ok(storageChecks.length >= 20, "the suite is not empty");
});

for (const Broken of broken) {
  test(`the storage contract catches a driver that breaks a law: ${Broken.name}`, async () => {
    assert.notEqual((await failedChecks(() => new Broken())).length, 0);
  });
}
