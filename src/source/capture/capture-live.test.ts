import assert from "node:assert/strict";
import { closeSync, openSync, utimesSync, writeSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { test } from "node:test";
import { AppFolder } from "../../../test/torture/app-folder.ts";
import { byteStringFromText } from "../../domain/byte-string.ts";
import { systemClock } from "../../domain/clock.ts";
import { captureLive } from "./capture-live.ts";

/** What a capture that waits for no writer makes of a hot journal, which may be written to all the time. */
async function captureHot(isWritten: boolean): Promise<string> {
  using folder = new AppFolder();
  folder.leaveHotJournal();
  let seconds = 1;
  const touch = (): void => utimesSync(folder.path("app.db-journal"), seconds, seconds++);
  const touching = isWritten ? setInterval(touch, 1) : undefined;
  try {
    const path = byteStringFromText(folder.path());
    const imagePath = join(folder.scratch, "image.db");
    const wishes = { trust: "declared", check: "quick_check", busyTimeoutMs: 0 } as const;
    const outcome = await captureLive({ path, imagePath, ...wishes }, systemClock, {
      report: () => undefined,
      steady: () => undefined,
      complete: () => undefined,
    });
    return outcome.outcome === "captured" ? outcome.image.method : outcome.reason;
  } finally {
    clearInterval(touching);
  }
}

test("captureLive() believes in a hot journal also where it is to wait for no writer", async () => {
  assert.equal(await captureHot(false), "rolled-back-copy");
});

test("captureLive() gives up on a journal that looks hot and never stays the same", {
  timeout: 600_000,
}, async () => {
  assert.equal(await captureHot(true), "busy");
});

test("captureLive() takes back what it told of an image that has to be made anew in another way", async () => {
  using folder = new AppFolder();
  const path = folder.path();
  const app = new DatabaseSync(path);
  app.exec(
    "PRAGMA journal_mode=WAL; CREATE TABLE bulk (filler); INSERT INTO bulk VALUES (zeroblob(9437184))",
  );
  app.close();
  utimesSync(path, 1, 1);
  const told: number[] = [];
  const steady = (bytes: number): void => {
    told.push(bytes);
    if (told.length > 1) return;
    // As an app does that leaves WAL mode.
    const file = openSync(path, "r+");
    writeSync(file, Uint8Array.of(1, 1), 0, 2, 18);
    closeSync(file);
  };
  const outcome = await captureLive(
    {
      path: byteStringFromText(path),
      imagePath: join(folder.scratch, "image.db"),
      ...{ trust: "declared", check: "quick_check", busyTimeoutMs: 60_000 },
    },
    systemClock,
    { report: () => undefined, steady, complete: () => told.push(-1) },
  );
  assert.ok(outcome.outcome === "captured" && outcome.image.method === "one-step");
  assert.deepEqual(told, [8 * 1024 * 1024, 0, -1]);
});
