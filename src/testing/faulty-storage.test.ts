import assert from "node:assert/strict";
import { access, mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { isBackupError } from "../domain/error.ts";
import { MemoryStorage } from "../storage/memory-storage.ts";
import type { Storage } from "../storage/storage.ts";
import { type Fault, FaultyStorage, isInjectedFault } from "./faulty-storage.ts";
import { openTemporaryLocalStorage } from "./local-vault-folder.ts";
import { testStorageContract } from "./storage-contract.ts";
import { bytesOf, mebibyte, names, pattern, read, signal, slices } from "./storage-probe.ts";

testStorageContract("FaultyStorage without a fault", async () => new FaultyStorage(new MemoryStorage()));

function once(fault: Partial<Fault> & Pick<Fault, "operation" | "mode">): Fault {
  return { nth: 1, crash: false, ...fault };
}

async function filled(...objects: readonly string[]): Promise<MemoryStorage> {
  const storage = new MemoryStorage();
  for (const name of objects) await storage.put(name, bytesOf(name), signal);
  return storage;
}

async function fails(promise: Promise<unknown>): Promise<void> {
  await assert.rejects(
    promise,
    (error) => isInjectedFault(error) && isBackupError(error, "storage-unavailable"),
  );
}

test("FaultyStorage put() fails before, torn, or after it happened", async () => {
  for (const mode of ["before", "torn", "after"] as const) {
    for (const content of [pattern(mebibyte), slices(pattern(3 * mebibyte), 70_000)]) {
      await using inner = await openTemporaryLocalStorage();
      const storage = new FaultyStorage(inner, once({ operation: "put", mode }));
      await fails(storage.put("x", content, signal));
      assert.deepEqual(await names(inner, ""), mode === "after" ? ["x"] : []);
      await storage.put("y", bytesOf("y"), signal);
    }
  }
});

test("FaultyStorage put() takes a prepared file over even when it fails", async () => {
  for (const mode of ["before", "torn", "after"] as const) {
    await using inner = await openTemporaryLocalStorage();
    const staging = inner.properties.stagingDirectory ?? "";
    await mkdir(staging, { recursive: true });
    await writeFile(join(staging, "image"), "bytes");
    const storage = new FaultyStorage(inner, once({ operation: "put", mode }));
    await fails(storage.put("x", { preparedFile: join(staging, "image") }, signal));
    await assert.rejects(access(join(staging, "image")));
    assert.deepEqual(await names(inner, ""), mode === "after" ? ["x"] : []);
  }
});

test("FaultyStorage remove() fails before, after half of the names, or after all", async () => {
  for (const [mode, left] of [
    ["before", ["a", "b", "c", "d"]],
    ["torn", ["c", "d"]],
    ["after", []],
  ] as const) {
    const inner = await filled("a", "b", "c", "d");
    const storage = new FaultyStorage(inner, once({ operation: "remove", mode }));
    await fails(storage.remove(["a", "b", "c", "d"], signal));
    assert.deepEqual(await names(inner, ""), left);
  }
});

test("FaultyStorage get() and list() give nothing, half or all before they fail", async () => {
  for (const [mode, bytes, listed] of [
    ["before", 0, 0],
    ["torn", 4, 1],
    ["after", 8, 2],
  ] as const) {
    const inner = await filled("8-bytes.", "another");
    let got = 0;
    await fails(
      (async () => {
        const storage = new FaultyStorage(inner, once({ operation: "get", mode }));
        for await (const chunk of storage.get("8-bytes.", undefined, signal)) got += chunk.byteLength;
      })(),
    );
    assert.equal(got, bytes);
    let seen = 0;
    await fails(
      (async () => {
        const storage = new FaultyStorage(inner, once({ operation: "list", mode }));
        for await (const _ of storage.list("", signal)) seen++;
      })(),
    );
    assert.equal(seen, listed);
  }
});

test("FaultyStorage fails the nth call of its operation and no other", async () => {
  const storage = new FaultyStorage(new MemoryStorage(), {
    operation: "put",
    nth: 2,
    mode: "before",
    crash: false,
  });
  await storage.put("1", bytesOf("x"), signal);
  await storage.stat("1", signal);
  assert.equal(storage.fired, false);
  await fails(storage.put("2", bytesOf("x"), signal));
  assert.equal(storage.fired, true);
  await storage.put("3", bytesOf("x"), signal);
  assert.equal(storage.callsOf("put"), 3);
});

test("FaultyStorage answers nothing after a crash", async () => {
  const inner = await filled("a");
  const storage: Storage = new FaultyStorage(inner, {
    operation: "stat",
    nth: 1,
    mode: "before",
    crash: true,
  });
  await fails(storage.stat("a", signal));
  await fails(storage.stat("a", signal));
  await fails(storage.put("b", bytesOf("b"), signal));
  await fails(read(storage, "a"));
  await fails(names(storage, ""));
  await fails(storage.remove(["a"], signal));
  await fails(storage.freeBytes(signal));
  await fails(storage.cleanUnfinished(signal));
  assert.deepEqual(await names(inner, ""), ["a"]);
});
