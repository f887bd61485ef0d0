import assert from "node:assert/strict";
import { homedir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { isBackupError } from "../domain/error.ts";
import {
  collect,
  collectFilled,
  collectFilledPaths,
  filled,
  filledPath,
  gzipLevel,
  maxUnused,
  momentMs,
  positiveInteger,
  waitMs,
} from "./option-values.ts";

const nowMs = new Date(2024, 5, 15, 12, 0, 0).getTime();

test("momentMs() reads days, local times, ISO times and ages", () => {
  assert.equal(momentMs("2024-01-31", nowMs, false), new Date(2024, 0, 31).getTime());
  assert.equal(momentMs("2024-01-31", nowMs, true), new Date(2024, 0, 31, 23, 59, 59, 999).getTime());
  assert.equal(momentMs("2024-01-31 12:30", nowMs, true), new Date(2024, 0, 31, 12, 30).getTime());
  assert.equal(momentMs("2024-01-31T12:30:00Z", nowMs, false), Date.UTC(2024, 0, 31, 12, 30));
  assert.equal(momentMs("7d", nowMs, false), nowMs - 7 * 86_400_000);
  assert.equal(momentMs("36h", nowMs, true), nowMs - 36 * 3_600_000);
});

test("momentMs() refuses what is no time instead of guessing", () => {
  for (const bad of ["", "yesterday", "2024", "2024-13-01", "31.01.2024", "7", "7m", "-7d"]) {
    assert.throws(
      () => momentMs(bad, nowMs, false),
      (error) => isBackupError(error, "invalid-input"),
      bad,
    );
  }
});

test("numbers out of range are usage errors", () => {
  assert.equal(positiveInteger("12"), 12);
  for (const bad of ["0", "-1", "1.5", "x", "", "1e3"]) assert.throws(() => positiveInteger(bad), /Wanted/);
  assert.equal(gzipLevel("9"), 9);
  for (const bad of ["0", "10", "x"]) assert.throws(() => gzipLevel(bad), /Wanted/);
  assert.equal(waitMs("10m"), 600_000);
  assert.throws(
    () => waitMs("soon"),
    (error) => isBackupError(error, "invalid-input"),
  );
});

test("maxUnused() reads percentages, sizes as they are printed, 0 and unlimited, and no bare number", () => {
  assert.deepEqual(maxUnused("10%"), { maxUnusedPercent: 10 });
  assert.deepEqual(maxUnused("2.5%"), { maxUnusedPercent: 2.5 });
  assert.deepEqual(maxUnused("unlimited"), { maxUnusedPercent: Number.POSITIVE_INFINITY });
  assert.deepEqual(maxUnused("0"), { maxUnusedBytes: 0 });
  assert.deepEqual(maxUnused("10M"), { maxUnusedBytes: 10_000_000 });
  assert.deepEqual(maxUnused("1.5g"), { maxUnusedBytes: 1_500_000_000 });
  assert.deepEqual(maxUnused("3KB"), { maxUnusedBytes: 3_000 });
  assert.deepEqual(maxUnused("1T"), { maxUnusedBytes: 1e12 });
  for (const bad of ["", "10", "some", "-1%", "-5M", "1e3", "10P", "M", "%"])
    assert.throws(() => maxUnused(bad), /Wanted for example/, bad);
});

test("filledPath() takes ~/ for the home directory, which shells leave as it is behind --option=", () => {
  assert.equal(filledPath("~/a b"), join(homedir(), "a b"));
  for (const path of ["./~/x", "a/~", "~x", "plain"]) assert.equal(filledPath(path), path);
  assert.deepEqual(collectFilledPaths("~", ["a"]), ["a", homedir()]);
  assert.throws(() => filledPath(""), /empty/);
});

test("filled() and collectFilled() refuse an empty path, which would mean the current folder", () => {
  assert.equal(filled("a b"), "a b");
  assert.deepEqual(collectFilled("b", ["a"]), ["a", "b"]);
  assert.throws(() => filled(""), /empty/);
  assert.throws(() => collectFilled("", ["a"]), /empty/);
});

test("collect() keeps repeated values in order", () => {
  assert.deepEqual(collect("b", collect("a", undefined)), ["a", "b"]);
});
