import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { link } from "node:fs/promises";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { isBackupError } from "../domain/error.ts";
import { openTemporaryLocalStorage } from "../testing/local-vault-folder.ts";
import { storageChecks } from "../testing/storage-contract.ts";
import { bytesOf, names, read, rejectsWith, signal, slices } from "../testing/storage-probe.ts";
import { syncDirectory } from "./local-directories.ts";
import { type LocalSystem, openLocalStorage } from "./local-storage.ts";
import type { Storage } from "./storage.ts";
import { readThisMachine } from "./this-machine.ts";

/** As exFAT answers. */
const withoutHardLinks: Partial<LocalSystem> = {
  linkFile: async () => {
    throw Object.assign(new Error("operation not permitted"), { code: "EPERM" });
  },
};

const needsEmptyObjects = "put() stores an object of no bytes";

for (const check of storageChecks.filter(({ name }) => name !== needsEmptyObjects)) {
  test(`LocalStorage without hard links ${check.name}`, async () => {
    await using storage = await openTemporaryLocalStorage(withoutHardLinks);
    await check.run(storage);
  });
}

test("LocalStorage without hard links refuses empty objects, because it could not tell them from reservations", async () => {
  await using storage = await openTemporaryLocalStorage(withoutHardLinks);
  await assert.rejects(storage.put("empty", new Uint8Array(0), signal), (error) =>
    isBackupError(error, "unsupported"),
  );
  await storage.put("x", bytesOf("x"), signal);
  await assert.rejects(storage.put("empty", new Uint8Array(0), signal), (error) =>
    isBackupError(error, "unsupported"),
  );
  assert.deepEqual(await names(storage, ""), ["x"]);
});

test("LocalStorage without hard links shows nobody the reservation of a run that died, and keeps its name taken", async () => {
  await using storage = await openTemporaryLocalStorage(withoutHardLinks);
  await storage.put("full/x", bytesOf("x"), signal);
  writeFileSync(join(storage.location, "full/reserved"), "");
  await using elsewhere = await openLocalStorage(storage.location, {
    create: false,
    machine: readThisMachine(),
  });
  for (const reader of [storage, elsewhere]) {
    assert.deepEqual(await names(reader, ""), ["full/x"]);
    assert.equal(await reader.stat("full/reserved", signal), undefined);
    await rejectsWith(read(reader, "full/reserved"), "not-found");
    await rejectsWith(reader.put("full/reserved", bytesOf("y"), signal), "exists");
  }
  await storage.remove(["full/reserved"], signal);
  assert.equal(existsSync(join(storage.location, "full/reserved")), false);
});

test("LocalStorage without hard links never overwrites what a writer with hard links stored, and the other way round", async () => {
  await using storage = await openTemporaryLocalStorage(withoutHardLinks);
  const linking = await openLocalStorage(storage.location, { create: false, machine: readThisMachine() });
  for (let round = 0; round < 25; round++) {
    const name = `race/${round}`;
    const writers: readonly Storage[] = round % 2 ? [storage, linking] : [linking, storage];
    const outcomes = await Promise.allSettled(
      writers.map((writer, i) => writer.put(name, bytesOf(`writer ${i}`), signal)),
    );
    const winner = outcomes.findIndex((outcome) => outcome.status === "fulfilled");
    assert.equal(outcomes.filter((outcome) => outcome.status === "fulfilled").length, 1);
    assert.equal((await read(storage, name)).toString(), `writer ${winner}`);
  }
});

test("LocalStorage counts a link whose answer was lost on the way as made", async () => {
  await using storage = await openTemporaryLocalStorage({
    linkFile: async (existing, name) => {
      await link(existing, name);
      await link(existing, name);
    },
  });
  await storage.put("x", bytesOf("x"), signal);
  assert.equal((await read(storage, "x")).toString(), "x");
  assert.deepEqual(
    readdirSync(storage.location).filter((name) => name !== ".vertex"),
    ["x"],
  );
});

test("LocalStorage takes an object back whose name cannot be made durable (I1)", async () => {
  let broken = false;
  await using storage = await openTemporaryLocalStorage({
    syncDirectory: async (path) => {
      if (broken) throw Object.assign(new Error("input/output error"), { code: "EIO" });
      await syncDirectory(path);
    },
  });
  await storage.put("full/x", bytesOf("x"), signal);
  broken = true;
  await rejectsWith(storage.put("full/y", bytesOf("y"), signal), "storage-unavailable");
  assert.deepEqual(await names(storage, ""), ["full/x"]);
});

/** What a put did to the disk, in order. */
interface Step {
  readonly call: "sync-file" | "link" | "sync-directory";
  /** Inode of the file, or path of the directory. */
  readonly of: number | string;
  /** Size of the file when it was synced. */
  readonly sizeBytes?: number;
}

async function traced(
  put: (storage: Storage) => Promise<void>,
): Promise<{ steps: Step[]; location: string }> {
  const steps: Step[] = [];
  await using storage = await openTemporaryLocalStorage({
    linkFile: async (existing, name) => {
      steps.push({ call: "link", of: statSync(existing).ino });
      await link(existing, name);
    },
    syncFile: async (handle) => {
      await handle.sync();
      const { ino, size } = await handle.stat();
      steps.push({ call: "sync-file", of: ino, sizeBytes: size });
    },
    syncDirectory: async (path) => {
      await syncDirectory(path);
      steps.push({ call: "sync-directory", of: path });
    },
  });
  await put(storage);
  return { steps, location: storage.location };
}

/** I1: all bytes before the name, the name before the answer, and every new folder's name too. */
function assertDurable(steps: readonly Step[], location: string, name: string, sizeBytes: number): void {
  const linked = steps.findIndex(({ call }) => call === "link");
  const inode = steps[linked]?.of;
  const synced = steps.findIndex((step) => step.call === "sync-file" && step.of === inode);
  assert.ok(synced >= 0 && synced < linked, "the file is synced before it gets its name");
  assert.equal(steps[synced]?.sizeBytes, sizeBytes, "all of it is");
  const folder = dirname(join(location, name));
  assert.ok(
    steps.findLastIndex((step) => step.of === folder) > linked,
    "the folder is synced after the name is in it",
  );
  for (let made = folder; made !== location; made = dirname(made)) {
    assert.ok(
      steps.some((step) => step.of === dirname(made)),
      `the folder above ${made} is synced`,
    );
  }
}

test("LocalStorage put() syncs the bytes before the name, and the name before it returns (I1)", async () => {
  const content = Buffer.alloc(3 * 1024 * 1024 + 1, 1);
  const puts: readonly ((storage: Storage) => Promise<void>)[] = [
    (storage) => storage.put("a/b/x", content, signal),
    (storage) => storage.put("a/b/x", slices(content, 100_000), signal),
    (storage) => {
      const path = join(storage.properties.stagingDirectory ?? "", "image");
      writeFileSync(path, content);
      return storage.put("a/b/x", { preparedFile: path }, signal);
    },
  ];
  for (const put of puts) {
    const { steps, location } = await traced(put);
    assertDurable(steps, location, "a/b/x", content.byteLength);
    assert.equal(steps.length, 5);
    // The known-bad cases: a build from which any one of these calls was removed is noticed.
    for (const missing of steps.keys()) {
      assert.throws(() => assertDurable(steps.toSpliced(missing, 1), location, "a/b/x", content.byteLength));
    }
    assert.throws(() => assertDurable(steps.toReversed(), location, "a/b/x", content.byteLength));
  }
});

test("LocalStorage remove() syncs each folder it took names from", async () => {
  const { steps, location } = await traced(async (storage) => {
    for (const name of ["a/1", "a/2", "b/1"]) await storage.put(name, bytesOf(name), signal);
    await storage.remove(["a/1", "a/2", "b/1"], signal);
  });
  const last = steps.slice(-2).map(({ of }) => of);
  assert.deepEqual(last.sort(), [join(location, "a"), join(location, "b")]);
});

test("LocalStorage without hard links says so in the vault before it reserves a name", async () => {
  await using storage = await openTemporaryLocalStorage(withoutHardLinks);
  await storage.put("x", bytesOf("x"), signal);
  assert.match(readFileSync(join(storage.location, ".vertex/no-hard-links"), "utf8"), /no hard links/);
});
