import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { test } from "node:test";
import { type ErrorKind, isBackupError } from "../domain/error.ts";
import { openTemporaryLocalStorage } from "../testing/local-vault-folder.ts";
import { bytesOf, names, read, rejectsWith, signal, slices } from "../testing/storage-probe.ts";
import { openLocalStorage } from "./local-storage.ts";
import { readThisMachine } from "./this-machine.ts";

const machine = readThisMachine();

function reopen(directory: string, create = false): ReturnType<typeof openLocalStorage> {
  return openLocalStorage(directory, { create, machine });
}

async function rejects(promise: Promise<unknown>, kind: ErrorKind, message: RegExp): Promise<void> {
  await assert.rejects(promise, (error) => {
    assert.ok(isBackupError(error, kind), String(error));
    assert.match(error.message, message);
    return true;
  });
}

test("openLocalStorage() makes private folders and files, and leaves the mode of a folder that exists", async () => {
  await using storage = await openTemporaryLocalStorage();
  await storage.put("database/x.db", bytesOf("x"), signal);
  await storage.put("database/y.db", slices(bytesOf("y"), 1), signal);
  const modeOf = (name: string): number => statSync(join(storage.location, name)).mode & 0o7777;
  assert.equal(modeOf(""), 0o700);
  assert.equal(modeOf("database"), 0o700);
  assert.equal(modeOf("database/x.db"), 0o600);
  assert.equal(modeOf("database/y.db"), 0o600);
  assert.equal(statSync(storage.properties.stagingDirectory ?? "").mode & 0o7777, 0o700);
  chmodSync(storage.location, 0o750);
  await (await reopen(storage.location, true)).put("z", bytesOf("z"), signal);
  assert.equal(modeOf(""), 0o750);
});

test("openLocalStorage() makes a folder only when it is asked to, and never in place of a file", async () => {
  await using storage = await openTemporaryLocalStorage();
  const missing = join(storage.location, "a/b");
  await rejects(reopen(missing), "not-found", /^Cannot open the vault folder .*: it does not exist$/);
  assert.equal(existsSync(missing), false);
  await (await reopen(missing, true)).put("x", bytesOf("x"), signal);
  assert.equal(readFileSync(join(missing, "x"), "utf8"), "x");
  // /proc answers ENOENT although it is there: making folders in it must end.
  await rejects(
    reopen("/proc/no/vault", true),
    "storage-unavailable",
    /^Cannot open the vault folder \/proc/,
  );
  await rejects(reopen(join(missing, "x"), true), "invalid-input", /: it is a file$/);
});

test("LocalStorage stores what other programs can read, under the object's own name", async () => {
  await using storage = await openTemporaryLocalStorage();
  await storage.put("full/full_backup_20240101_120000.json", bytesOf("{}"), signal);
  assert.deepEqual(readdirSync(join(storage.location, "full")), ["full_backup_20240101_120000.json"]);
});

test("LocalStorage says that a read-only folder is one, and refuses to write to it", async () => {
  await using storage = await openTemporaryLocalStorage();
  await storage.put("full/x", bytesOf("x"), signal);
  chmodSync(join(storage.location, ".."), 0o755);
  chmodSync(storage.location, 0o555);
  chmodSync(join(storage.location, "full"), 0o555);
  chmodSync(join(storage.location, "full/x"), 0o444);
  // In a process of its own that gives up root, to which no folder is read-only.
  const script = `
    import { openLocalStorage } from ${JSON.stringify(new URL("./local-storage.ts", import.meta.url).href)};
    import { readThisMachine } from ${JSON.stringify(new URL("./this-machine.ts", import.meta.url).href)};
    if (process.getuid() === 0) { process.setgroups([]); process.setgid(65534); process.setuid(65534); }
    const signal = new AbortController().signal;
    const storage = await openLocalStorage(${JSON.stringify(storage.location)}, { create: true, machine: readThisMachine() });
    const kindOf = (promise) => promise.then(() => "done", (error) => error.kind + (error.hint ? " with a hint" : ""));
    console.log(JSON.stringify({
      readOnly: storage.properties.readOnly,
      staging: storage.properties.stagingDirectory ?? "none",
      put: await kindOf(storage.put("full/y", Buffer.from("y"), signal)),
      putElsewhere: await kindOf(storage.put("new/y", Buffer.from("y"), signal)),
      remove: await kindOf(storage.remove(["full/x"], signal)),
      get: Buffer.concat(await Array.fromAsync(storage.get("full/x", undefined, signal))).toString(),
    }));`;
  const output = execFileSync(process.execPath, ["--input-type=module", "-e", script], { encoding: "utf8" });
  const refused = "storage-unavailable with a hint";
  assert.deepEqual(JSON.parse(output), {
    readOnly: true,
    staging: "none",
    put: refused,
    putElsewhere: refused,
    remove: refused,
    get: "x",
  });
  chmodSync(storage.location, 0o700);
  chmodSync(join(storage.location, "full"), 0o700);
});

test("LocalStorage reads no link, pipe, socket or folder that was planted where an object is expected", async () => {
  await using storage = await openTemporaryLocalStorage();
  await storage.put("database/real", bytesOf("real"), signal);
  const at = (name: string): string => join(storage.location, "database", name);
  writeFileSync(join(storage.location, "../secret"), "secret");
  symlinkSync("../../secret", at("link"));
  symlinkSync("nowhere", at("dangling"));
  execFileSync("sh", ["-c", 'mkfifo "$0"', at("pipe")]);
  mkdirSync(at("folder"));
  const server = createServer().listen(at("socket"));
  await new Promise((resolve) => server.once("listening", resolve));
  try {
    for (const planted of ["link", "dangling", "pipe", "folder", "socket"]) {
      await rejectsWith(read(storage, `database/${planted}`), "damaged");
      assert.equal(await storage.stat(`database/${planted}`, signal), undefined);
      await rejectsWith(storage.put(`database/${planted}`, bytesOf("x"), signal), "exists");
    }
    assert.deepEqual(await names(storage, ""), ["database/real"]);
    assert.equal(readFileSync(join(storage.location, "../secret"), "utf8"), "secret");
  } finally {
    server.close();
  }
});

test("LocalStorage takes no prepared file through a link", async () => {
  await using storage = await openTemporaryLocalStorage();
  const planted = join(storage.properties.stagingDirectory ?? "", "image");
  writeFileSync(join(storage.location, "../secret"), "secret");
  symlinkSync("../../../secret", planted);
  await rejectsWith(storage.put("x", { preparedFile: planted }, signal), "damaged");
  assert.deepEqual(await names(storage, ""), []);
  assert.equal(readFileSync(join(storage.location, "../secret"), "utf8"), "secret");
});

test("LocalStorage uses no folder that is a link, because its listings would not show what is behind", async () => {
  await using storage = await openTemporaryLocalStorage();
  const outside = join(storage.location, "../outside");
  mkdirSync(outside);
  writeFileSync(join(outside, "file"), "outside");
  symlinkSync("../outside", join(storage.location, "database"));
  await rejects(storage.put("database/x", bytesOf("x"), signal), "unsafe", /it is a symbolic link$/);
  await rejects(read(storage, "database/file"), "unsafe", /it is a symbolic link$/);
  await rejects(storage.remove(["database/file"], signal), "unsafe", /it is a symbolic link$/);
  assert.deepEqual(await names(storage, ""), []);
  assert.deepEqual(readdirSync(outside), ["file"]);
});

test("LocalStorage lists no file that no object can be named like, nor its own", async () => {
  await using storage = await openTemporaryLocalStorage();
  await storage.put("full/x", bytesOf("x"), signal);
  for (const name of [
    "full/a b",
    "full/ü",
    "full/.tmp-left",
    ".vertex/staging/image",
    ".vertex/no-hard-links",
  ]) {
    writeFileSync(join(storage.location, name), "foreign");
  }
  assert.deepEqual(await names(storage, ""), ["full/x"]);
  for (const name of [".vertex/staging/image", ".vertex/no-hard-links", "lost+found/12"]) {
    await rejectsWith(read(storage, name), "invalid-input");
    await rejectsWith(storage.put(name, bytesOf("x"), signal), "invalid-input");
  }
});

test("LocalStorage makes a folder again that was removed under it, but never the vault folder", async () => {
  await using storage = await openTemporaryLocalStorage();
  await storage.put("full/x", bytesOf("x"), signal);
  rmSync(join(storage.location, "full"), { recursive: true });
  await storage.put("full/y", bytesOf("y"), signal);
  assert.deepEqual(await names(storage, ""), ["full/y"]);

  renameSync(storage.location, `${storage.location}-unmounted`);
  try {
    await rejects(
      storage.put("full/z", bytesOf("z"), signal),
      "storage-unavailable",
      /folder is not there any more$/,
    );
    await rejects(names(storage, "full/"), "storage-unavailable", /folder is not there any more$/);
    assert.equal(existsSync(storage.location), false);
  } finally {
    renameSync(`${storage.location}-unmounted`, storage.location);
  }
});

test("LocalStorage calls a file that was cut off while it is read damaged", async () => {
  await using storage = await openTemporaryLocalStorage();
  await storage.put("big", Buffer.alloc(5 * 1024 * 1024), signal);
  await rejectsWith(
    (async () => {
      for await (const _ of storage.get("big", undefined, signal)) {
        writeFileSync(join(storage.location, "big"), "short");
      }
    })(),
    "damaged",
  );
});

test("LocalStorage keeps the space of a prepared file: it gets a name, not a copy", async () => {
  await using storage = await openTemporaryLocalStorage();
  const path = join(storage.properties.stagingDirectory ?? "", "image");
  writeFileSync(path, "image", { mode: 0o644 });
  const { ino } = lstatSync(path);
  await storage.put("database/x.db", { preparedFile: path }, signal);
  const stored = lstatSync(join(storage.location, "database/x.db"));
  assert.equal(stored.ino, ino);
  assert.equal(stored.nlink, 1);
  assert.equal(stored.mode & 0o7777, 0o600);
});

test("LocalStorage copies a prepared file where the object's folder is a mount of its own", async () => {
  await using storage = await openTemporaryLocalStorage({
    linkFile: async (existing, name) => {
      if (existing.includes("/staging/")) throw Object.assign(new Error("cross-device"), { code: "EXDEV" });
      const { link } = await import("node:fs/promises");
      await link(existing, name);
    },
  });
  const path = join(storage.properties.stagingDirectory ?? "", "image");
  writeFileSync(path, "image");
  await storage.put("database/x.db", { preparedFile: path }, signal);
  assert.equal((await read(storage, "database/x.db")).toString(), "image");
  assert.deepEqual(readdirSync(join(storage.location, "database")), ["x.db"]);
  assert.equal(existsSync(path), false);
});

test("a folder is told from one that is missing, also after it was there, and from an unmounted disk", async () => {
  await using storage = await openTemporaryLocalStorage();
  const { folders } = storage;
  assert.ok(folders !== undefined);
  assert.equal(await folders.has("one/two", signal), false);
  await folders.make("one/two", signal);
  await folders.make("one/two", signal);
  assert.equal(await folders.has("one/two", signal), true);
  rmSync(join(storage.location, "one"), { recursive: true });
  assert.equal(await folders.has("one/two", signal), false);
  rmSync(storage.location, { recursive: true });
  await assert.rejects(folders.has("one", signal), (error) => isBackupError(error, "storage-unavailable"));
  mkdirSync(storage.location);
});
