import assert from "node:assert/strict";
import { test } from "node:test";
import type { Clock } from "../../domain/clock.ts";
import { WriteOut } from "./write-out.ts";

const MiB = 1024 * 1024;
const block = MiB / 4;

interface Disk {
  /** How far the copy had come at each write-out. */
  readonly steps: readonly number[];
  /** The most that was not written while it was copied, in milliseconds of the disk. */
  readonly worstMs: number;
}

/** Copies a gigabyte at once to a disk of some speed, and counts. */
async function copyTo(bytesPerMs: number, sizeBytes: number): Promise<Disk> {
  let [now, copied, durable, worst] = [0, 0, 0, 0];
  const steps: number[] = [];
  const clock: Clock = { now: () => now, elapsed: () => now };
  const file = {
    async datasync() {
      steps.push(copied);
      const upTo = copied;
      await Promise.resolve();
      now += (upTo - durable) / bytesPerMs;
      durable = upTo;
    },
  };
  const writeOut = new WriteOut(file, clock);
  while (copied < sizeBytes) {
    copied += block;
    worst = Math.max(worst, copied - durable);
    if (writeOut.isDue(copied)) await writeOut.begin(copied, sizeBytes - copied);
  }
  await writeOut.end();
  return { steps, worstMs: worst / bytesPerMs };
}

test("a copy is written out so often that whoever syncs waits a second at most, on a slow disk and on a fast one", async () => {
  for (const bytesPerMs of [100 * 1024, 400 * 1024, MiB, 3 * MiB]) {
    const { steps, worstMs } = await copyTo(bytesPerMs, 10_000 * MiB);
    assert.ok(worstMs <= 1000, `${worstMs} ms at ${bytesPerMs} bytes a millisecond`);
    const stepsNeeded = Math.max((10_000 * MiB) / bytesPerMs / 500, (10_000 * MiB) / (1024 * MiB));
    assert.ok(steps.length <= stepsNeeded + 1, `${steps.length} times`);
  }
});

test("a copy that the disk takes within a second is written out once, to learn that, and the rest left to its end", async () => {
  assert.deepEqual((await copyTo(2 * MiB, 900 * MiB)).steps, [32 * MiB]);
});

test("what the disk refuses is told at the end of the copy", async () => {
  const clock: Clock = { now: () => 0, elapsed: () => 0 };
  const full = { datasync: () => Promise.reject(new Error("EIO")) };
  const writeOut = new WriteOut(full, clock);
  await writeOut.begin(32 * MiB, 100 * MiB);
  await assert.rejects(writeOut.end(), /EIO/);
});
