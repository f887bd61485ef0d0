import assert from "node:assert/strict";
import {
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import "../../testing/kept-captures.ts";
import { gzipSync } from "node:zlib";
import { type Header, pack } from "tar-stream";
import { createBackupManager } from "../../app/create-backup-manager.ts";
import { isBackupError } from "../../domain/error.ts";

interface Member extends Partial<Header> {
  readonly name: string;
  readonly content?: string | Buffer;
}

/** A `tar.gz` as the original would have named it, holding what these members say. */
async function archiveOf(directory: string, members: readonly Member[]): Promise<string> {
  const tar = pack();
  for (const { content, ...header } of members) tar.entry(header, content ?? "");
  tar.finalize();
  const chunks: Buffer[] = [];
  for await (const chunk of tar) chunks.push(chunk as Buffer);
  const path = join(directory, "storage_backup_20230101_120000.tar.gz");
  writeFileSync(path, gzipSync(Buffer.concat(chunks)));
  return path;
}

interface Tried {
  readonly directory: string;
  readonly target: string;
  readonly error: unknown;
}

async function tryRestore(
  members: readonly Member[],
  check: (tried: Tried) => void,
  change: (bytes: Buffer) => Buffer = (bytes) => bytes,
): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), "hostile-"));
  try {
    const target = join(directory, "target");
    mkdirSync(join(target, "uploads"), { recursive: true });
    writeFileSync(join(target, "uploads", "precious.txt"), "precious");
    writeFileSync(join(directory, "outside.txt"), "outside");
    const path = await archiveOf(directory, members);
    writeFileSync(path, change(readFileSync(path)));
    await using manager = createBackupManager({
      vault: join(directory, "vault"),
      state: join(directory, "state"),
      sources: [{ name: "a", storage: [join(target, "uploads")] }],
    });
    await manager.createBackup();
    const error = await manager.restoreBackup({ backup: path, target }).then(
      () => undefined,
      (reason: unknown) => reason,
    );
    check({ directory, target, error });
    assert.equal(readFileSync(join(directory, "outside.txt"), "utf8"), "outside");
    assert.equal(statSync(join(directory, "outside.txt")).nlink, 1);
    assert.ok(!existsSync(join(directory, "evil")));
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

/** Refused, and nothing touched: not the target, not what is beside it. */
function refused({ target, error }: Tried): void {
  assert.ok(isBackupError(error, "unsafe", "damaged", "no-space"), String(error));
  assert.deepEqual(readdirSync(target), ["uploads"]);
  assert.deepEqual(readdirSync(join(target, "uploads")), ["precious.txt"]);
}

const folder: Member = { name: "uploads", type: "directory" };

test("restoreBackup() refuses hostile archives and touches nothing", async (context) => {
  const hostile: Record<string, readonly Member[]> = {
    "a name with ..": [folder, { name: "uploads/../../evil", content: "x" }],
    "an absolute name": [
      folder,
      { name: `${tmpdir()}/vertex-evil`, content: "x" },
      { name: "uploads/../../evil", content: "x" },
    ],
    "a file through a link": [
      folder,
      { name: "uploads/link", type: "symlink", linkname: "../.." },
      { name: "uploads/link/evil", content: "x" },
    ],
    "a link that leads out": [folder, { name: "uploads/link", type: "symlink", linkname: "/etc/passwd" }],
    "a link up": [folder, { name: "uploads/link", type: "symlink", linkname: "../../outside.txt" }],
    "a hard link out of the folder": [
      folder,
      { name: "uploads/hard", type: "link", linkname: "../outside.txt" },
    ],
    "a hard link through a link": [
      folder,
      { name: "uploads/up", type: "symlink", linkname: "." },
      { name: "uploads/hard", type: "link", linkname: "uploads/up/../../outside.txt" },
    ],
  };
  for (const [what, members] of Object.entries(hostile)) {
    await context.test(what, () => tryRestore(members, refused));
  }
});

test("restoreBackup() never makes the devices and pipes an archive asks for", async () => {
  const members: Member[] = [
    folder,
    { name: "uploads/null", type: "character-device", devmajor: 1, devminor: 3 },
    { name: "uploads/disk", type: "block-device", devmajor: 8, devminor: 0 },
    { name: "uploads/pipe", type: "fifo" },
    { name: "uploads/fine.txt", content: "fine" },
  ];
  await tryRestore(members, (tried) => {
    if (tried.error !== undefined) refused(tried);
    else {
      for (const name of readdirSync(join(tried.target, "uploads"))) {
        assert.ok(lstatSync(join(tried.target, "uploads", name)).isFile(), name);
      }
    }
  });
});

test("restoreBackup() drops set-id bits of archives it cannot verify", async () => {
  const members: Member[] = [
    folder,
    { name: "uploads/shell", content: "#!/bin/sh", mode: 0o6755, uid: 0, gid: 0 },
  ];
  await tryRestore(members, ({ target, error }) => {
    assert.equal(error, undefined);
    assert.equal(statSync(join(target, "uploads", "shell")).mode & 0o7000, 0);
  });
});

test("restoreBackup() refuses an archive that is cut off or changed", async (context) => {
  const members: Member[] = [folder, { name: "uploads/a", content: Buffer.alloc(100_000, "abc ") }];
  const changes: Record<string, (bytes: Buffer) => Buffer> = {
    "cut off": (bytes) => bytes.subarray(0, bytes.length - 60),
    "one bit": (bytes) => {
      const changed = Buffer.from(bytes);
      changed[bytes.length - 7] = (changed[bytes.length - 7] ?? 0) ^ 1;
      return changed;
    },
    "no gzip": () => Buffer.from("not gzip at all"),
    empty: () => Buffer.alloc(0),
  };
  for (const [what, change] of Object.entries(changes)) {
    await context.test(what, () => tryRestore(members, refused, change));
  }
});
