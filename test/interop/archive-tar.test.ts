import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import {
  chmodSync,
  linkSync,
  lutimesSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { byteStringToDisplay } from "../../src/domain/byte-string.ts";
import { openLocalStorage } from "../../src/storage/local-storage.ts";
import { readThisMachine } from "../../src/storage/this-machine.ts";
import type { WrittenArchive } from "../../src/testing/archive-tree.ts";
import {
  archiveNames,
  describePath,
  entryPath,
  readerOf,
  walkAll,
  writeArchive,
} from "../../src/testing/archive-tree.ts";

const signal = new AbortController().signal;
const work = mkdtempSync(join(tmpdir(), "vertex-archive-tar-"));
const folder = join(work, "uploads");
const vault = join(work, "vault");
let written: WrittenArchive;

/** Names, modes, links, times and sizes that naive tools get wrong. */
function makeOddTree(): void {
  mkdirSync(join(folder, "dir with spaces/empty"), { recursive: true });
  const odd = [
    "-rf",
    "new\nline",
    'quo"te\\back',
    "tab\there",
    "éà",
    "Фото 📷",
    "*",
    "~",
    "x".repeat(255),
    ".hidden",
  ];
  for (const name of odd) writeFileSync(join(folder, name), `content of ${name}`);
  writeFileSync(Buffer.concat([Buffer.from(`${folder}/not-utf8-`), Buffer.from([0xff, 0xfe])]), "odd");
  const deep = join(folder, ...new Array<string>(12).fill("deep-and-deeper-still"));
  mkdirSync(deep, { recursive: true });
  writeFileSync(join(deep, "y".repeat(200)), "at the bottom");
  for (const size of [0, 1, 511, 512, 513, 1_015_807, 1_015_809, 1 << 20, 3_000_000]) {
    writeFileSync(join(folder, `size-${size}`), randomBytes(size));
  }
  truncateSync(join(folder, "size-0"), 20_000_000);
  // More members than zlib compresses before our own deflate does.
  const lines = Array.from({ length: 500_000 }, (_, i) => `line ${i} ${Math.imul(i, 0x9e3779b1)} and so on`);
  writeFileSync(join(folder, "long-text"), lines.join("\n"));
  for (const mode of [0o000, 0o400, 0o777, 0o4755, 0o1644]) {
    writeFileSync(join(folder, `mode-${mode.toString(8)}`), "x");
    chmodSync(join(folder, `mode-${mode.toString(8)}`), mode);
  }
  symlinkSync("z".repeat(300), join(folder, "dangling"));
  symlinkSync("size-513", join(folder, "link"));
  lutimesSync(join(folder, "link"), 1, 1);
  linkSync(join(folder, "size-513"), join(folder, "zz-hard"));
  utimesSync(join(folder, "size-512"), -100.5, -100.5);
  utimesSync(join(folder, "size-511"), 1_234_567_890.123456, 1_234_567_890.123456);
  chmodSync(join(folder, "dir with spaces"), 0o2755);
}

async function assertSameTree(copy: string): Promise<void> {
  let compared = 0;
  for (const entry of await walkAll(folder)) {
    const [here, there] = [entryPath(folder, entry), entryPath(copy, entry)];
    assert.deepEqual(describePath(there), describePath(here), byteStringToDisplay(entry.path));
    compared++;
  }
  assert.equal((await walkAll(copy)).length, compared);
}

before(async () => {
  mkdirSync(folder);
  makeOddTree();
  const storage = await openLocalStorage(vault, { create: true, machine: readThisMachine() });
  written = await writeArchive({ storage, folder, stem: "a" });
});
after(() => rmSync(work, { recursive: true }));

test("GNU tar restores every name, mode, time, link and byte, and has nothing to complain about", async () => {
  const copy = join(work, "gnu");
  mkdirSync(copy);
  const archive = join(vault, archiveNames("a").archiveName);
  const said = execFileSync("sh", ["-c", `tar -xpzf "$1" -C "$2" 2>&1`, "sh", archive, copy], {
    encoding: "utf8",
  });
  // GNU tar itself warns of times before 1970.
  assert.equal(said.replace(/^tar: .*(?:implausibly old time stamp).*\n/gm, ""), "");
  await assertSameTree(join(copy, "uploads"));
});

test("Python's tarfile, which wrote the original's archives, reads ours", () => {
  const script = "import sys,tarfile;print(len(tarfile.open(sys.argv[1]).getmembers()))";
  const archive = join(vault, archiveNames("a").archiveName);
  const members = Number(execFileSync("python3", ["-c", script, archive], { encoding: "utf8" }));
  const { files, directories, symlinks } = written.result.counts;
  assert.equal(members, files + directories + symlinks);
});

test("gzip and Python's zlib find nothing wrong with what our own deflate made", () => {
  const archive = join(vault, archiveNames("a").archiveName);
  execFileSync("gzip", ["-t", archive]);
  const script =
    "import gzip,hashlib,sys,tarfile;t=tarfile.open(fileobj=gzip.open(sys.argv[1]));" +
    "print(hashlib.sha256(t.extractfile('uploads/long-text').read()).hexdigest())";
  const hash = createHash("sha256")
    .update(readFileSync(join(folder, "long-text")))
    .digest("hex");
  assert.equal(execFileSync("python3", ["-c", script, archive], { encoding: "utf8" }), `${hash}\n`);
});

test("one file comes out with dd, gunzip and tail, as docs/archive-format.md says", () => {
  const { archiveName, contentsName } = archiveNames("a");
  const script = `
    run=$(zcat "$1" | awk -v want='"path":"size-513"' '/^\\{"offset"/ { run = $0 } index($0, want) { print run; print $0; exit }')
    offset=$(printf '%s\\n' "$run" | sed -n '1s/.*"offset":\\([0-9]*\\).*/\\1/p')
    at=$(printf '%s\\n' "$run" | sed -n '2s/.*"at":\\([0-9]*\\).*/\\1/p')
    size=$(printf '%s\\n' "$run" | sed -n '2s/.*"size":\\([0-9]*\\).*/\\1/p')
    dd if="$2" iflag=skip_bytes skip="$offset" bs=1M status=none | gunzip 2>/dev/null | tail -c +$((at + 1)) | head -c "$size"`;
  const bytes = execFileSync("sh", ["-c", script, "sh", join(vault, contentsName), join(vault, archiveName)]);
  assert.deepEqual(bytes, readFileSync(join(folder, "size-513")));
});

test("our own reader gives the same tree's hashes", async () => {
  const storage = await openLocalStorage(vault, { create: false, machine: readThisMachine() });
  const damages: unknown[] = [];
  await readerOf(storage, written).verify(
    "content",
    (damage) => damages.push(damage),
    () => undefined,
    signal,
  );
  assert.deepEqual(damages, []);
});
