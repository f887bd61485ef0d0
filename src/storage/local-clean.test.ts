import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, utimesSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { type RunOwner, unfinishedName } from "../domain/run-owner.ts";
import { openTemporaryLocalStorage } from "../testing/local-vault-folder.ts";
import { bytesOf, names, signal } from "../testing/storage-probe.ts";
import type { Storage } from "./storage.ts";
import { readThisMachine } from "./this-machine.ts";

const machine = readThisMachine();
const hourMs = 60 * 60 * 1000;

/** A process of this machine that has certainly ended. */
function deadOwner(): RunOwner {
  const { pid } = spawnSync(process.execPath, ["-e", ""]);
  return { ...machine.owner, pid, startedTicks: "1" };
}

/** A process on a machine nobody here can look at. */
const farOwner: RunOwner = {
  host: "elsewhere",
  bootId: "other",
  pid: 1,
  pidNamespace: "1",
  startedTicks: "1",
};

function plant(storage: Storage, name: string): string {
  const path = join(storage.location, name);
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, "unfinished");
  return path;
}

test("cleanUnfinished() removes what a writer left that was killed in the middle, and nothing else (I8)", async () => {
  await using storage = await openTemporaryLocalStorage();
  await storage.put("storage/kept", bytesOf("kept"), signal);
  const script = `
    import { openLocalStorage } from ${JSON.stringify(new URL("./local-storage.ts", import.meta.url).href)};
    import { readThisMachine } from ${JSON.stringify(new URL("./this-machine.ts", import.meta.url).href)};
    const storage = await openLocalStorage(${JSON.stringify(storage.location)}, { create: false, machine: readThisMachine() });
    await storage.put("storage/lost", (async function* () {
      yield Buffer.alloc(3 * 1024 * 1024);
      process.kill(process.pid, "SIGKILL");
      await new Promise((resolve) => setTimeout(resolve, 60_000));
    })(), new AbortController().signal);`;
  const { signal: killedBy } = spawnSync(process.execPath, ["--input-type=module", "-e", script]);
  assert.equal(killedBy, "SIGKILL");
  assert.equal(readdirSync(join(storage.location, "storage")).length, 2, "the killed writer left something");
  assert.deepEqual(await names(storage, ""), ["storage/kept"]);
  assert.equal(await storage.cleanUnfinished(signal), 1);
  assert.deepEqual(readdirSync(join(storage.location, "storage")), ["kept"]);
  assert.equal(await storage.cleanUnfinished(signal), 0);
});

test("cleanUnfinished() keeps what a running process writes, however old it looks", async () => {
  await using storage = await openTemporaryLocalStorage({
    clock: { now: () => Date.now() + 90 * 24 * hourMs, elapsed: () => 0 },
  });
  const mine = plant(storage, `full/${unfinishedName(machine.owner, "a")}`);
  const staged = plant(storage, `.vertex/staging/${unfinishedName(machine.owner, "b")}-journal`);
  assert.equal(await storage.cleanUnfinished(signal), 0);
  assert.ok(existsSync(mine) && existsSync(staged));
});

test("cleanUnfinished() removes what ended processes left in every folder, and their staging with what is in it", async () => {
  await using storage = await openTemporaryLocalStorage();
  const owner = deadOwner();
  const left = [
    plant(storage, unfinishedName(owner, "a")),
    plant(storage, `database/${unfinishedName(owner, "b")}`),
    plant(storage, `.vertex/locks/${unfinishedName(owner, "c")}`),
    plant(storage, `.vertex/staging/${unfinishedName(owner, "d")}-wal`),
    dirname(plant(storage, `.vertex/staging/${unfinishedName(owner, "e")}/image.db`)),
  ];
  assert.equal(await storage.cleanUnfinished(signal), left.length);
  for (const path of left) assert.equal(existsSync(path), false, path);
});

test("cleanUnfinished() gives writers of other machines a day without a sign of life", async () => {
  for (const [hours, removed] of [
    [23, 0],
    [25, 3],
  ] as const) {
    await using storage = await openTemporaryLocalStorage({
      clock: { now: () => Date.now() + hours * hourMs, elapsed: () => 0 },
    });
    plant(storage, `full/${unfinishedName(farOwner, "a")}`);
    plant(storage, `.vertex/staging/${unfinishedName(farOwner, "b")}/image.db`);
    // The modification time of a captured image may be that of its source.
    const image = plant(storage, ".vertex/staging/no-owner-in-its-name");
    utimesSync(image, 0, 0);
    assert.equal(await storage.cleanUnfinished(signal), removed);
  }
});

test("cleanUnfinished() never takes files that do not say they are ours", async () => {
  await using storage = await openTemporaryLocalStorage({
    clock: { now: () => Date.now() + 900 * hourMs, elapsed: () => 0 },
  });
  const kept = [
    plant(storage, "full/.tmp-somebody-elses"),
    plant(storage, "full/notes.txt"),
    plant(storage, "full/db_backup_20240101_120000.db"),
    plant(storage, "other folder/.tmp-x"),
  ];
  assert.equal(await storage.cleanUnfinished(signal), 0);
  for (const path of kept) assert.ok(existsSync(path), path);
});
