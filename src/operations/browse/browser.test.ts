import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { chmodSync, mkdirSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { after, before, test } from "node:test";
import "../../testing/kept-captures.ts";
import type { ManagerConfiguration } from "../../app/configuration.ts";
import { isBackupError } from "../../domain/error.ts";
import "../../testing/cheap-scrypt.ts";
import { describeFolder } from "../../testing/archive-tree.ts";
import { type BrowseScene, createBrowseScene } from "../../testing/browse-scene.ts";
import type { DumpRequest, EntryDifference } from "./browse-requests.ts";
import type { BackupBrowser } from "./browser.ts";

/** With one backup of it; for tests that only read. */
let scene: BrowseScene;

before(async () => {
  scene = createBrowseScene();
  await scene.manager.createBackup();
});

after(() => scene[Symbol.asyncDispose]());

async function bytesOf(browse: BackupBrowser, request: DumpRequest): Promise<Buffer> {
  await using dump = await browse.openDump(request);
  return Buffer.concat(await Array.fromAsync(dump.bytes, (chunk) => Buffer.from(chunk)));
}

async function pathsOf(browse: BackupBrowser, path?: string, recursive = false): Promise<string[]> {
  const request = { backup: "latest", recursive, ...(path === undefined ? {} : { path }) };
  return (await Array.fromAsync(browse.listEntries(request))).map((entry) => entry.path);
}

test("listEntries() lists the top, a folder, all below it, or one thing, by any of their names", async () => {
  const { browse } = scene.manager;
  assert.deepEqual(await pathsOf(browse), ["app.db", "uploads"]);
  for (const top of ["", ".", "/"]) assert.deepEqual(await pathsOf(browse, top), ["app.db", "uploads"]);
  assert.deepEqual(await pathsOf(browse, "uploads/deep"), ["uploads/deep/er"]);
  assert.deepEqual(await pathsOf(browse, "uploads/deep", true), [
    "uploads/deep/er",
    "uploads/deep/er/still",
    "uploads/deep/er/still/photo.jpg",
  ]);
  assert.deepEqual(await pathsOf(browse, join(scene.app.uploads, "deep/")), ["uploads/deep/er"]);
  assert.deepEqual(await pathsOf(browse, scene.app.database), ["app.db"]);
  assert.deepEqual(await pathsOf(browse, "./uploads/zero"), ["uploads/zero"]);
  const inFolder = await pathsOf(browse, "uploads");
  assert.deepEqual(inFolder.slice(0, 2), ["uploads/2024", "uploads/bad\\xff.bin"]);
  // What a list shows is taken back, also where a name is not text.
  for (const path of inFolder.slice(1)) {
    const isFolder = path === "uploads/deep";
    assert.deepEqual(await pathsOf(browse, path), isFolder ? ["uploads/deep/er"] : [path]);
  }
  assert.equal(
    (await pathsOf(browse, undefined, true)).length,
    1 + (await pathsOf(browse, "uploads", true)).length + 1,
  );
});

test("listEntries() shows modes, owners, sizes, times, links and hashes", async () => {
  const entries = await Array.fromAsync(
    scene.manager.browse.listEntries({ backup: "latest", path: "uploads", recursive: true }),
  );
  const found = new Map(entries.map((entry) => [entry.path, entry]));
  const zero = found.get("uploads/zero");
  assert.deepEqual([zero?.kind, zero?.mode, zero?.sizeBytes], ["file", 0o600, 0]);
  assert.deepEqual(
    [zero?.modifiedAtMs, Date.parse(zero?.modifiedAt ?? "")],
    [1_600_000_000_500, 1_600_000_000_500],
  );
  assert.equal(zero?.uid, statSync(join(scene.app.uploads, "zero")).uid);
  assert.equal(found.get("uploads/clip.mp4")?.sizeBytes, 3_300_007);
  assert.match(found.get("uploads/clip.mp4")?.sha256 ?? "", /^[0-9a-f]{64}$/);
  assert.equal(found.get("uploads/latest")?.linkTarget, "2024/0.txt");
  assert.equal(found.get("uploads/same.txt")?.hardLinkTo, "uploads/2024/0.txt");
  const bad = found.get("uploads/bad\\xff.bin");
  assert.equal(Buffer.from(bad?.pathBase64 ?? "", "base64").toString("latin1"), "uploads/bad\xff.bin");
  assert.ok(found.has("uploads/evil\\x1b[31m\\x0aname.txt"));
});

test("listEntries() and openDump() call what is not in the backup not-found", async () => {
  const { browse } = scene.manager;
  for (const path of ["nothing", "uploads/nothing", "uploads/dee", "/etc/passwd", "uploads/../app.db"]) {
    const isMissing = (error: unknown): boolean => isBackupError(error, "not-found");
    await assert.rejects(pathsOf(browse, path), isMissing, path);
    await assert.rejects(browse.openDump({ backup: "latest", path }), isMissing, path);
  }
});

test("findEntries() finds in every backup, the newest first, or only what is newest", async () => {
  await using changing = createBrowseScene();
  const first = (await changing.manager.createBackup()).backup.id;
  rmSync(join(changing.app.uploads, "clip.mp4"));
  changing.write("new.mp4", "newer");
  const second = (await changing.manager.createBackup()).backup.id;
  const find = async (pattern: string, more = {}): Promise<string[]> =>
    await Array.fromAsync(
      changing.manager.browse.findEntries({ pattern, ...more }),
      ({ backup, entry }) => `${backup.id === first ? 1 : 2} ${entry.path}`,
    );
  assert.deepEqual(await find("*.mp4"), ["2 uploads/new.mp4", "1 uploads/clip.mp4"]);
  assert.deepEqual(await find("zero"), ["2 uploads/zero", "1 uploads/zero"]);
  assert.deepEqual(await find("zero", { newest: true }), ["2 uploads/zero"]);
  assert.deepEqual(await find("*.mp4", { newest: true }), ["2 uploads/new.mp4", "1 uploads/clip.mp4"]);
  assert.deepEqual(await find("*.mp4", { backups: [first] }), ["1 uploads/clip.mp4"]);
  assert.deepEqual(await find("ZERO"), []);
  assert.deepEqual(await find("ZERO", { ignoreCase: true, backups: [second] }), ["2 uploads/zero"]);
  assert.deepEqual(await find("app.db", { newest: true }), ["2 app.db"]);
  assert.deepEqual(await find(changing.app.database, { newest: true }), ["2 app.db"]);
  assert.deepEqual(await find(`${changing.app.uploads}/z*`, { newest: true }), ["2 uploads/zero"]);
  assert.deepEqual(await find("*", { newest: true, kinds: ["symlink"] }), ["2 uploads/latest"]);
  assert.deepEqual(await find("2024/", { newest: true }), ["2 uploads/2024"]);
  assert.deepEqual(await find("uploads/deep/**/*.jpg", { newest: true }), [
    "2 uploads/deep/er/still/photo.jpg",
  ]);
  for (const pattern of ["bad*.bin", "bad\\xff.bin", "uploads/b*\\xff*"])
    assert.deepEqual(await find(pattern, { newest: true }), ["2 uploads/bad\\xff.bin"], pattern);
});

test("findEntries() warns of a backup that cannot be read, and fails where it was named", async () => {
  await using changing = createBrowseScene();
  const first = (await changing.manager.createBackup()).backup;
  await changing.manager.createBackup();
  const contents = first.files.find(({ role }) => role === "contents")?.name ?? "";
  writeFileSync(join(changing.app.vault, contents), "damaged");
  const warnings: string[] = [];
  const observer = { progress() {}, problem() {}, warning: (message: string) => void warnings.push(message) };
  const found = await Array.fromAsync(changing.manager.browse.findEntries({ pattern: "zero", observer }));
  assert.equal(found.length, 1);
  assert.match(warnings.join(), new RegExp(`${first.id} could not be searched`));
  await assert.rejects(
    Array.fromAsync(changing.manager.browse.findEntries({ pattern: "zero", backups: [first.id] })),
    (error) => isBackupError(error, "damaged"),
  );
});

test("openDump() gives the bytes of files, of further names and of databases", async () => {
  const { browse } = scene.manager;
  for (const path of ["clip.mp4", "zero", "same.txt", "deep/er/still/photo.jpg"]) {
    const bytes = await bytesOf(browse, { backup: "latest", path: `uploads/${path}` });
    assert.ok(bytes.equals(readFileSync(join(scene.app.uploads, path))), path);
  }
  assert.equal(String(await bytesOf(browse, { backup: "latest", path: "uploads/bad\\xff.bin" })), "not text");
  const shown = "uploads/evil\\x1b[31m\\x0aname.txt";
  assert.equal(String(await bytesOf(browse, { backup: "latest", path: shown })), "red");
  const image = join(scene.app.directory, "image.db");
  writeFileSync(image, await bytesOf(browse, { backup: "latest", path: "app.db" }));
  using database = new DatabaseSync(image, { readOnly: true });
  assert.deepEqual({ ...database.prepare("SELECT count(*) AS n FROM images").get() }, { n: 5 });
  const isInvalid = (error: unknown): boolean => isBackupError(error, "invalid-input");
  await assert.rejects(browse.openDump({ backup: "latest", path: "uploads/latest" }), isInvalid);
});

test("openDump() packs a folder, and tar gives it back as it was", async () => {
  const { browse } = scene.manager;
  const { directory, uploads } = scene.app;
  const unpack = async (path: string): Promise<string> => {
    const target = join(directory, `unpacked-${path.replaceAll("/", "-")}`);
    mkdirSync(target);
    writeFileSync(`${target}.tar`, await bytesOf(browse, { backup: "latest", path, format: "tar" }));
    execFileSync("tar", ["-xpf", `${target}.tar`, "-C", target]);
    return target;
  };
  const same = async (left: string, right: string): Promise<void> =>
    assert.deepEqual(await describeFolder(left), await describeFolder(right));
  const whole = await unpack("uploads");
  await same(join(whole, "uploads"), uploads);
  assert.equal(statSync(join(whole, "uploads/zero")).mode & 0o777, 0o600);
  assert.equal(statSync(join(whole, "uploads/same.txt")).nlink, 2);
  await same(join(await unpack("uploads/deep/er"), "er"), join(uploads, "deep/er"));
  // Its first name is not packed with it, so it comes with its bytes.
  const alone = await unpack("uploads/same.txt");
  assert.ok(readFileSync(join(alone, "same.txt")).equals(readFileSync(join(uploads, "2024/0.txt"))));
});

test("openDump() packs a whole backup, databases too, under names that lead nowhere else", async () => {
  const file = join(scene.app.directory, "all.tar");
  writeFileSync(file, await bytesOf(scene.manager.browse, { backup: "latest" }));
  const names = execFileSync("tar", ["-tf", file], { encoding: "latin1" }).split("\n");
  assert.deepEqual(names.slice(0, 2), ["app.db", "uploads/"]);
});

test("openDump() ends with damaged where bytes are not what was stored", async () => {
  await using changing = createBrowseScene();
  const { backup } = await changing.manager.createBackup();
  const name = backup.files.find(({ role }) => role === "archive")?.name ?? "";
  const bytes = readFileSync(join(changing.app.vault, name));
  for (let at = 40; at < bytes.length; at += 4096) bytes[at]! ^= 1;
  chmodSync(join(changing.app.vault, name), 0o600);
  writeFileSync(join(changing.app.vault, name), bytes);
  for (const format of ["tar", "zip"] as const) {
    await assert.rejects(
      bytesOf(changing.manager.browse, { backup: "latest", path: "uploads", format }),
      (error) => isBackupError(error, "damaged"),
    );
  }
});

function shown({ difference, path, differs }: EntryDifference): string {
  return [difference, path, ...differs].join(" ");
}

const formats: readonly Partial<ManagerConfiguration>[] = [
  { format: "archive" },
  { format: "repository", password: "geheim" },
];

for (const configuration of formats) {
  test(`compareBackups() tells what came, went, changed, and what only looks different: ${configuration.format}`, async () => {
    await using changing = createBrowseScene(configuration);
    const earlier = (await changing.manager.createBackup()).backup.id;
    changing.write("added.txt", "new");
    rmSync(join(changing.app.uploads, "deep"), { recursive: true });
    changing.write("clip.mp4", "other bytes");
    chmodSync(join(changing.app.uploads, "zero"), 0o640);
    rmSync(join(changing.app.uploads, "latest"));
    symlinkSync("2024/1.txt", join(changing.app.uploads, "latest"));
    rmSync(join(changing.app.uploads, "evil\x1b[31m\nname.txt"));
    mkdirSync(join(changing.app.uploads, "evil\x1b[31m\nname.txt"));
    using database = new DatabaseSync(changing.app.database);
    database.exec("CREATE TABLE more (x)");
    const later = (await changing.manager.createBackup()).backup.id;
    const compare = async (from: string, to: string): Promise<string[]> =>
      await Array.fromAsync(changing.manager.browse.compareBackups({ before: from, after: to }), shown);
    assert.deepEqual(await compare(earlier, later), [
      "changed app.db content",
      "added uploads/added.txt",
      "changed uploads/clip.mp4 content time",
      "removed uploads/deep",
      "removed uploads/deep/er",
      "removed uploads/deep/er/still",
      "removed uploads/deep/er/still/photo.jpg",
      "changed uploads/evil\\x1b[31m\\x0aname.txt kind mode",
      "changed uploads/latest target time",
      "attributes uploads/zero mode",
    ]);
    const back = await compare(later, earlier);
    assert.ok(
      back.includes("removed uploads/added.txt") && back.includes("added uploads/deep/er"),
      back.join(),
    );
    assert.deepEqual(await compare(later, later), []);
  });
}
