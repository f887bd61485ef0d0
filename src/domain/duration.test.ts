import assert from "node:assert/strict";
import { test } from "node:test";
import { fc } from "../testing/properties.ts";
import { parseDuration, subtractDuration } from "./duration.ts";
import { isBackupError } from "./error.ts";

test("parseDuration() reads restic's notation", () => {
  assert.deepEqual(parseDuration("1y5m7d2h"), { years: 1, months: 5, days: 7, hours: 2 });
  assert.deepEqual(parseDuration("36h"), { years: 0, months: 0, days: 0, hours: 36 });
});

test("parseDuration() refuses what could be meant in two ways, and nothing at all", () => {
  for (const text of ["", "7", "d", "7d 2h", "-7d", "7d3d", "1.5d", "0d", "1w", "99999d", "7D"]) {
    assert.throws(
      () => parseDuration(text),
      (error) => isBackupError(error, "invalid-input"),
      text,
    );
  }
});

test("subtractDuration() counts on the calendar and stays inside shorter months", () => {
  const from = new Date(2024, 2, 31, 12, 30).getTime();
  const back = (text: string): Date => new Date(subtractDuration(from, parseDuration(text)));
  assert.deepEqual(back("1m"), new Date(2024, 1, 29, 12, 30));
  assert.deepEqual(back("1y1m"), new Date(2023, 1, 28, 12, 30));
  assert.deepEqual(back("1y5m7d2h"), new Date(2022, 9, 24, 10, 30));
  assert.deepEqual(back("31d"), new Date(2024, 1, 29, 12, 30));
});

test("subtractDuration() of more never ends later", () => {
  const part = fc.integer({ min: 0, max: 40 });
  const duration = fc.record({ years: part, months: part, days: part, hours: part });
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 2e12 }), duration, duration, (from, a, b) => {
      const more = {
        years: a.years + b.years,
        months: a.months + b.months,
        days: a.days + b.days,
        hours: a.hours + b.hours,
      };
      // A change of the clocks may move either end by an hour.
      assert.ok(subtractDuration(from, more) <= subtractDuration(from, a) + 3_600_000);
    }),
  );
});
