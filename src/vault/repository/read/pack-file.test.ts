import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { newMasterKey } from "../../../format/restic/crypto-box.ts";
import { BlobThreads } from "./blob-threads.ts";

test("a thread reads no pack whose place something else has taken, and goes on", async () => {
  const folder = mkdtempSync(join(tmpdir(), "pack-file-"));
  try {
    const [file, directory, pipe, link] = ["file", "directory", "pipe", "link"].map((name) =>
      join(folder, name),
    );
    writeFileSync(file ?? "", "sixteen bytes...");
    mkdirSync(directory ?? "");
    execFileSync("mkfifo", [pipe ?? ""]);
    symlinkSync(file ?? "", link ?? "");
    await using threads = new BlobThreads(newMasterKey());
    // Less is decoded without threads.
    await threads.decode({ pieces: [new Uint8Array(3 * 1024 * 1024)], blobs: [] });
    const inspect = (wholeFile = ""): ReturnType<BlobThreads["inspectFile"]> =>
      threads.inspectFile({ wholeFile, sizeBytes: 16, blobs: [], tailBytesMax: 16 });
    for (const path of [directory, pipe, link, join(folder, "nothing")]) {
      assert.equal(await inspect(path), undefined, path);
    }
    assert.equal((await inspect(file))?.sizeBytes, 16);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
