import assert from "node:assert/strict";
import { appendFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { AppFolder } from "../../../test/torture/app-folder.ts";
import { byteStringFromText } from "../../domain/byte-string.ts";
import { lookAt } from "./capture-files.ts";
import { captureScratch } from "./capture-scratch.ts";

test("captureScratch() gives a copy up as soon as the app has written, and does not make the rest of it in vain", async () => {
  using folder = new AppFolder();
  const sizeBytes = 8 * 1024 * 1024;
  const content = Buffer.alloc(sizeBytes, 1);
  content.write("SQLite format 3\0");
  writeFileSync(folder.path(), content);
  const path = byteStringFromText(folder.path());
  const imagePath = join(folder.scratch, "image.db");
  let [seconds, copied] = [0, 0];
  const attempt = await captureScratch({
    request: { path, imagePath, trust: "declared", check: "quick_check", busyTimeoutMs: 0 },
    path,
    // Long after the last change, and with time passing at every look.
    clock: { now: () => Date.now() + 60_000, elapsed: () => 1000 * seconds++ },
    deadline: 0,
    files: lookAt(path),
    report: (done) => {
      if (copied === 0) appendFileSync(folder.path(), "more");
      copied = done;
    },
    steady: () => undefined,
  });
  assert.equal(attempt.result, "again");
  assert.equal(attempt.result === "again" && attempt.message, "it changed while it was copied");
  assert.ok(copied < sizeBytes, `${copied} bytes were copied`);
});
