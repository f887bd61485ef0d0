import assert from "node:assert/strict";
import { test } from "node:test";
import { fc } from "../testing/properties.ts";
import { formatAge, formatBytes, formatCount, formatDuration, formatQuantity, parseWait } from "./units.ts";

test("formatBytes() counts in thousands and carries into the next unit instead of printing 1000.0", () => {
  const cases: [number, string][] = [
    [0, "0 B"],
    [999, "999 B"],
    [1000, "1.0 KB"],
    [1234, "1.2 KB"],
    [999_949, "999.9 KB"],
    [999_950, "1.0 MB"],
    [64_000_000, "64.0 MB"],
    [1_500_000_000, "1.5 GB"],
    [2e12, "2.0 TB"],
    [5e18, "5000.0 PB"],
  ];
  for (const [bytes, text] of cases) assert.equal(formatBytes(bytes), text);
});

test("formatBytes() never prints a number of four digits below the largest unit", () => {
  fc.assert(
    fc.property(fc.double({ min: 0, max: 9e17, noNaN: true }), (bytes) => {
      assert.match(formatBytes(bytes), /^\d{1,3}(\.\d)? [KMGTP]?B$/);
    }),
  );
});

test("formatCount() and formatQuantity() group digits and choose singular and plural", () => {
  assert.equal(formatCount(1234567), "1,234,567");
  assert.equal(formatCount(999), "999");
  assert.equal(formatQuantity(1, "file"), "1 file");
  assert.equal(formatQuantity(0, "file"), "0 files");
  assert.equal(formatQuantity(2000, "directory", "directories"), "2,000 directories");
});

test("formatDuration() shows at most two units and never 60 of one", () => {
  const cases: [number, string][] = [
    [0, "0 ms"],
    [85.4, "85 ms"],
    [1400, "1.4 s"],
    [9960, "10 s"],
    [59_900, "1 min"],
    [200_000, "3 min 20 s"],
    [3_600_000, "1 h"],
    [7_500_000, "2 h 5 min"],
    [86_400_000 * 3 + 3_600_000 * 4, "3 d 4 h"],
  ];
  for (const [ms, text] of cases) assert.equal(formatDuration(ms), text);
});

test("formatAge() says how long ago, and does not hide a clock that is behind", () => {
  assert.equal(formatAge(59_000), "just now");
  assert.equal(formatAge(60_000), "1 minute ago");
  assert.equal(formatAge(3 * 86_400_000), "3 days ago");
  assert.equal(formatAge(800 * 86_400_000), "2 years ago");
  assert.equal(formatAge(-2 * 3_600_000), "in 2 hours");
});

test("parseWait() adds up hours, minutes and seconds and refuses what it cannot read", () => {
  assert.equal(parseWait("90s"), 90_000);
  assert.equal(parseWait("1h30m"), 5_400_000);
  assert.equal(parseWait("0"), 0);
  for (const bad of ["", "10", "5d", "m", "-1s", "1 h", "99999999s"]) {
    assert.throws(() => parseWait(bad), SyntaxError, bad);
  }
});
