import assert from "node:assert/strict";
import { copyFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { AppFolder } from "../../../test/torture/app-folder.ts";
import { brokenLaws, createBank, type JournalMode } from "../../../test/torture/bank.ts";
import { startWriter } from "../../../test/torture/writers.ts";
import { byteStringFromText } from "../../domain/byte-string.ts";
import { type DatabaseCapturer, openDatabaseCapturer } from "./database-capturer.ts";

const capturesEach = 12;
const signal = new AbortController().signal;

async function captureMany(capturer: DatabaseCapturer, folder: AppFolder, captures: number): Promise<void> {
  const imagePath = join(folder.scratch, "image.db");
  for (let i = 0; i < captures; i++) {
    const outcome = await capturer.capture(
      {
        path: byteStringFromText(folder.path()),
        imagePath,
        trust: i % 2 === 0 ? "declared" : "found",
        check: "quick_check",
        busyTimeoutMs: 300_000,
      },
      () => undefined,
      signal,
    );
    assert.equal(
      outcome.outcome,
      "captured",
      JSON.stringify(outcome, (_, v) => (typeof v === "bigint" ? String(v) : v)),
    );
    assert.deepEqual(brokenLaws(imagePath), []);
    rmSync(imagePath);
  }
}

for (const [mode, pageSize, reopenEvery] of [
  ["wal", 1024, 0],
  ["wal", 4096, 100],
  ["delete", 1024, 0],
  ["persist", 512, 100],
  ["off", 4096, 0],
] as const satisfies readonly [JournalMode, number, number][]) {
  const app = reopenEvery === 0 ? "" : ", which closes and opens it all the time";
  test(`every image of a ${mode} database under a full-speed writer obeys the laws of its data${app}`, async () => {
    using folder = new AppFolder();
    await using capturer = await openDatabaseCapturer();
    createBank(folder.path(), mode, pageSize);
    await using writer = await startWriter({
      path: folder.path(),
      journalMode: mode,
      perSecond: 0,
      reopenEvery,
    });
    const before = writer.commits;
    await captureMany(capturer, folder, capturesEach);
    if (mode !== "off") {
      await writer.kill();
      await captureMany(capturer, folder, 1);
    }
    assert.ok(writer.commits > before, "the writer stood still");
  });
}

test("a plain copy under the same writer breaks the laws sooner or later", async () => {
  using folder = new AppFolder();
  createBank(folder.path(), "delete", 1024);
  await using _writer = await startWriter({
    path: folder.path(),
    journalMode: "delete",
    perSecond: 0,
    reopenEvery: 0,
  });
  const copyPath = join(folder.scratch, "copy.db");
  const deadline = performance.now() + 300_000;
  do {
    assert.ok(performance.now() < deadline, "every plain copy was good");
    copyFileSync(folder.path(), copyPath);
  } while (brokenLaws(copyPath).length === 0);
});
