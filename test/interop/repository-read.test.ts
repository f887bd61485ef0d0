/**
 * Repositories that Debian's restic, and old versions of it, made: we list, read and
 * verify them, and name what is damaged in them.
 *
 * @module
 */

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import {
  chmodSync,
  linkSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { basename, join } from "node:path";
import { test } from "node:test";
import { asByteString } from "../../src/domain/byte-string.ts";
import type { StoredEntry } from "../../src/domain/entry.ts";
import { isBackupError } from "../../src/domain/error.ts";
import { silentObserver } from "../../src/domain/progress.ts";
import { openTreeWriter } from "../../src/source/tree/tree-writer.ts";
import { openBackupReader } from "../../src/vault/repository/backup-reader.ts";
import { listBackups } from "../../src/vault/repository/list-backups.ts";
import type { Repository } from "../../src/vault/repository/repository.ts";
import { verifyBackup } from "../../src/vault/repository/verify-backup.ts";
import type { BackupReader, VerifyReport } from "../../src/vault/vault.ts";
import { ResticPlace, signal } from "./restic.ts";

/** Every kind of file there is, and one that only restic stores. */
function makeFolder(folder: string): void {
  mkdirSync(join(folder, "deep/er/empty folder"), { recursive: true });
  for (const [i, size] of [0, 1, 524_288, 3_000_000, 20_000_000].entries()) {
    writeFileSync(join(folder, `size-${i}.bin`), randomBytes(size));
  }
  for (let i = 0; i < 300; i++)
    writeFileSync(join(folder, "deep/er", `note-${i}.txt`), `note ${i} `.repeat(i));
  writeFileSync(join(folder, "text.txt"), "all work and no play ".repeat(200_000));
  writeFileSync(
    join(folder, "mixed.bin"),
    Buffer.concat([randomBytes(70_000), Buffer.alloc(3_000_000, "text ")]),
  );
  writeFileSync(join(folder, "zeros.img"), Buffer.alloc(9 << 20));
  writeFileSync(join(folder, "deep/er/имя & <файла>.txt"), "UTF-8");
  writeFileSync(join(folder, 'deep/d"q\\x\n'), "quoted");
  writeFileSync(Buffer.concat([Buffer.from(`${folder}/not-utf8-`), Buffer.from([0xff, 0xfe])]), "bytes");
  writeFileSync(join(folder, "deep.txt"), "sorts between deep and deep/er");
  linkSync(join(folder, "text.txt"), join(folder, "deep/same-text.txt"));
  symlinkSync("deep/er/nowhere & <beyond>", join(folder, "shortcut"));
  chmodSync(join(folder, "size-1.bin"), 0o4751);
  chmodSync(join(folder, "deep"), 0o1777);
  utimesSync(join(folder, "size-2.bin"), 1_600_000_000.25, 1_600_000_000.125);
  utimesSync(join(folder, "size-3.bin"), 0, -86_400);
  execFileSync("mkfifo", [join(folder, "pipe")]);
}

/** Restores all of a backup's only root the way an operation does. */
async function restore(reader: BackupReader, target: string): Promise<void> {
  mkdirSync(target, { mode: 0o700 });
  const writer = openTreeWriter(target, { trust: "own", maxTotalBytes: 1 << 30 });
  for await (const { entry, content } of reader.contents(() => true, signal)) {
    await writer.write(entry, content, signal);
  }
  await writer.finish(signal);
}

function describeTree(folder: string): string {
  const args = [".", "-type", "d", "-printf", "%P %m %U %G %T@\\0", "-o", "-printf"];
  const lines = execFileSync("find", [...args, "%P %y %m %U %G %T@ %s %n %l\\0"], {
    cwd: folder,
    encoding: "latin1",
  });
  // Node sets times to the microsecond.
  return lines
    .replaceAll(/(\.\d{6})\d{4}/g, "$1")
    .split("\0")
    .sort()
    .join("\n");
}

function verify(repo: Repository, id: string, depth: "stored" | "content"): Promise<VerifyReport> {
  const checkDatabase = async (): Promise<readonly string[]> => [];
  const options = { depth, observer: silentObserver, checkDatabase, scratchDirectory: "/tmp" };
  return verifyBackup(repo, id, options, signal);
}

async function entriesOf(reader: BackupReader): Promise<readonly StoredEntry[]> {
  return await Array.fromAsync(reader.entries(signal));
}

async function bytesOf(content: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const parts: Buffer[] = [];
  // A copy: a chunk is valid until the next is asked for.
  for await (const chunk of content) parts.push(Buffer.from(chunk));
  return Buffer.concat(parts);
}

for (const version of ["1", "2"]) {
  test(`a repository of version ${version} made by restic is listed, restored and verified, with every kind of file`, async () => {
    await using place = await ResticPlace.open();
    const folder = join(place.folder, "srv/app data");
    makeFolder(folder);
    await place.ok("init", "--repository-version", version);
    await place.ok("backup", "--tag", "weekly", "--host", "web1", folder);
    const repo = await place.connect();
    const [backup, ...others] = await listBackups(repo, signal);
    assert.ok(backup !== undefined && others.length === 0);
    const { source, host, tags, roots, state, type, neverRemoved } = backup;
    assert.deepEqual(
      { source, host, tags, roots, state, type, neverRemoved },
      {
        source: "restic",
        host: "web1",
        tags: ["weekly"],
        roots: [{ name: "app data", path: folder }],
        state: "good",
        type: "storage",
        neverRemoved: true,
      },
    );
    await using reader = await openBackupReader(repo, backup.id, signal);
    const target = join(place.folder, "restored");
    await restore(reader, target);
    assert.deepEqual(
      reader.leftOut?.().map(({ kind, path }) => ({ kind, path })),
      [{ kind: "special-file", path: "app data/pipe" }],
    );
    rmSync(join(folder, "pipe"));
    // The pipe is gone since the folder's time was stored.
    utimesSync(folder, 1, 1);
    utimesSync(target, 1, 1);
    assert.equal(describeTree(target), describeTree(folder));
    execFileSync("diff", ["-r", "--no-dereference", folder, target]);
    for (const depth of ["stored", "content"] as const) {
      const report = await verify(repo, backup.id, depth);
      assert.deepEqual(report.damages, []);
      assert.equal(report.entriesChecked, (await entriesOf(reader)).length);
      assert.ok(depth === "stored" || report.bytesRead > 20_000_000);
    }
  });
}

test("a range of a file of restic's is what lies there, and reads only the blobs it lies in", async () => {
  await using place = await ResticPlace.open();
  const folder = join(place.folder, "files");
  mkdirSync(folder);
  const whole = randomBytes(30_000_000);
  writeFileSync(join(folder, "large.bin"), whole);
  await place.ok("init");
  await place.ok("backup", folder);
  const opened = await place.connect();
  let bytesRead = 0;
  const { storage } = opened;
  const counting: Repository["storage"] = Object.assign(Object.create(storage) as typeof storage, {
    localPath: undefined,
    async *get(...args: Parameters<typeof storage.get>): AsyncIterable<Uint8Array> {
      for await (const chunk of storage.get(...args)) {
        if (args[0].startsWith("data/")) bytesRead += chunk.length;
        yield chunk;
      }
    },
    list: storage.list.bind(storage),
    stat: storage.stat.bind(storage),
  });
  const repo = { ...opened, storage: counting };
  const [backup] = await listBackups(repo, signal);
  await using reader = await openBackupReader(repo, backup?.id ?? "", signal);
  const entry = (await entriesOf(reader)).find(({ kind }) => kind === "file");
  assert.ok(entry !== undefined);
  for (const [offset, length] of [
    [0, 1],
    [29_999_999, 1],
    [12_345_678, 100],
    [5_000_000, 20_000_000],
    [0, 30_000_000],
  ] as const) {
    bytesRead = 0;
    const part = await bytesOf(reader.read(entry, { offset, length }, signal));
    assert.ok(part.equals(whole.subarray(offset, offset + length)), `${offset} ${length}`);
    // A blob of restic's has 8 MiB at most, and a range at most two that it needs in part.
    assert.ok(bytesRead <= length + 2 * (8 << 20) + 4_096, `${bytesRead} for ${length}`);
  }
  await assert.rejects(bytesOf(reader.read(entry, { offset: 29_999_999, length: 2 }, signal)), (error) =>
    isBackupError(error, "invalid-input"),
  );
});

test("a damaged pack of restic's is named with each file that needs it, and the other files can still be read", async () => {
  await using place = await ResticPlace.open();
  const folder = join(place.folder, "files");
  mkdirSync(folder);
  for (let i = 0; i < 12; i++) writeFileSync(join(folder, `file-${i}.bin`), randomBytes(6_000_000));
  await place.ok("init");
  await place.ok("backup", folder);
  const [pack, ...others] = dataPacks(place.repo);
  assert.ok(pack !== undefined && others.length > 1);
  const descriptor = openSync(pack, "r+");
  writeSync(descriptor, "damage", 5_000);
  const repo = await place.connect();
  const [backup] = await listBackups(repo, signal);
  const id = backup?.id ?? "";
  const report = await verify(repo, id, "content");
  assert.equal(report.ok, false);
  const object = `data/${basename(pack).slice(0, 2)}/${basename(pack)}`;
  for (const damage of report.damages) {
    assert.equal(damage.object, object);
    assert.match(damage.path ?? "", /^files\/file-\d+\.bin$/);
    assert.match(damage.message, /^blob [0-9a-f]{64} of pack [0-9a-f]{64} cannot be read: its MAC/);
  }
  const damaged = new Set(report.damages.map(({ path }) => path));
  assert.equal(damaged.size, 1);
  await using reader = await openBackupReader(repo, id, signal);
  let read = 0;
  for await (const { entry, content } of reader.contents(() => true, signal)) {
    if (content === undefined) continue;
    const name = `files/${entry.path}`;
    if (damaged.has(name)) {
      await assert.rejects(bytesOf(content), (error) => {
        assert.ok(isBackupError(error, "damaged"));
        assert.match(error.message, new RegExp(`^Cannot read ${name}: blob .* of pack ${basename(pack)}`));
        return true;
      });
    } else {
      assert.ok((await bytesOf(content)).equals(readFileSync(join(folder, entry.path))));
      read++;
    }
  }
  assert.equal(read, 11);
  await assertNamesLostPack(repo, id, pack);
});

/** A pack that is cut, then gone: `stored` sees both without reading any. */
async function assertNamesLostPack(repo: Repository, id: string, pack: string): Promise<void> {
  chmodSync(pack, 0o600);
  truncateSync(pack, 500_000);
  const cut = await verify(repo, id, "stored");
  assert.match(cut.damages[0]?.message ?? "", /^it has 500000 bytes, and must have more than /);
  assert.ok(cut.damages.some(({ path }) => path?.startsWith("files/file-")));
  rmSync(pack);
  const gone = await verify(repo, id, "stored");
  assert.equal(gone.damages[0]?.message, "it is missing");
  assert.ok(gone.damages.length > 1);
}

function dataPacks(repo: string): readonly string[] {
  return readdirSync(join(repo, "data"), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .filter((path) => readFileSync(path).length > 1_000_000);
}

test("single files, and folders restic was told of by a relative path, can be restored elsewhere only", async () => {
  await using place = await ResticPlace.open();
  mkdirSync(join(place.folder, "a/b"), { recursive: true });
  writeFileSync(join(place.folder, "a/b/one"), "1");
  writeFileSync(join(place.folder, "a/two"), "2");
  await place.ok("init");
  await place.ok("backup", join(place.folder, "a/two"));
  await place.ok("backup", "a/b");
  const repo = await place.connect();
  const content: Record<string, string>[] = [];
  for (const { id } of (await listBackups(repo, signal)).toReversed()) {
    await using reader = await openBackupReader(repo, id, signal);
    assert.deepEqual(reader.backup.roots, [{ name: "files", path: "" }]);
    const files: Record<string, string> = {};
    for (const entry of await entriesOf(reader)) {
      if (entry.kind !== "file") continue;
      files[entry.path] = (await bytesOf(reader.read(entry, undefined, signal))).toString();
    }
    content.push(files);
  }
  const absolute = asByteString(join(place.folder, "a/two").slice(1));
  assert.deepEqual(content, [{ [absolute]: "2" }, { "a/b/one": "1" }]);
});

const fixtures = join(import.meta.dirname, "../fixtures/restic-v1");

/** What must be found in each, and nothing else. */
const fixtureDamages: Readonly<Record<string, RegExp | undefined>> = {
  "repo-duplicates": undefined,
  "repo-index-missing": /^Cannot read \/: blob c5897731f7e9.* is in no index$/,
  "repo-index-missing-blob": /^blob f2ca1bb6c7e9.* is in no index$/,
  "repo-mixed": undefined,
  "repo-same-timestamps": undefined,
  "repo-unreferenced-data": undefined,
  "small-repo": undefined,
};

test("repositories of old versions of restic are read, and what is damaged in them is named", async () => {
  const names = readdirSync(fixtures).filter((name) => name.endsWith(".tar.gz"));
  assert.deepEqual(
    names.map((name) => name.slice(0, -".tar.gz".length)).sort(),
    Object.keys(fixtureDamages).sort(),
  );
  for (const [name, damage] of Object.entries(fixtureDamages)) {
    await using place = await ResticPlace.open();
    execFileSync("tar", ["-xzf", join(fixtures, `${name}.tar.gz`), "-C", place.folder]);
    const repo = await place.connect();
    const backups = await listBackups(repo, signal);
    const damages: string[] = [];
    for (const { id } of backups) {
      const report = await verify(repo, id, "content");
      damages.push(...report.damages.map(({ message }) => message));
      if (report.ok) await assertRestores(repo, id, place);
    }
    assert.ok(backups.length > 0, name);
    assert.equal(damages.length, damage === undefined ? 0 : 1, `${name}: ${damages}`);
    if (damage !== undefined) assert.match(damages[0] ?? "", damage);
  }
});

/** The same files as restic restores. */
async function assertRestores(repo: Repository, id: string, place: ResticPlace): Promise<void> {
  const target = join(place.folder, `restic-${id}`);
  await place.ok("restore", id, "--target", target);
  const expected = readdirSync(target, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => sha256(readFileSync(join(entry.parentPath, entry.name))))
    .sort();
  await using reader = await openBackupReader(repo, id, signal);
  const found: string[] = [];
  for await (const { entry, content } of reader.contents(() => true, signal)) {
    if (entry.kind === "file" && content !== undefined) found.push(sha256(await bytesOf(content)));
  }
  assert.deepEqual(found.sort(), expected);
}

function sha256(bytes: Buffer): string {
  return createHash("sha256").update(bytes).digest("hex");
}
