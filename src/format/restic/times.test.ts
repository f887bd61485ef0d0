import assert from "node:assert/strict";
import { after, test } from "node:test";
import { isBackupError } from "../../domain/error.ts";
import { fc } from "../../testing/properties.ts";
import { formatTime, parseTime } from "./times.ts";

const zone = process.env["TZ"];
after(() => setZone(zone));

function setZone(name: string | undefined): void {
  if (name === undefined) delete process.env["TZ"];
  else process.env["TZ"] = name;
}

// Printed by Go: time.Unix(s, ns).In(zone).Format(time.RFC3339Nano).
const fromGo: readonly (readonly [zone: string, ns: bigint, text: string])[] = [
  ["Europe/Berlin", 0n, "1970-01-01T01:00:00+01:00"],
  ["Europe/Berlin", 1711846799999000000n, "2024-03-31T01:59:59.999+01:00"],
  ["Europe/Berlin", 1711846800000000001n, "2024-03-31T03:00:00.000000001+02:00"],
  ["Europe/Berlin", -500000000n, "1970-01-01T00:59:59.5+01:00"],
  ["Europe/Berlin", 4102444800120000000n, "2100-01-01T01:00:00.12+01:00"],
  ["Europe/Berlin", 253402214399999999999n, "9999-12-31T00:59:59.999999999+01:00"],
  ["Europe/Berlin", -1999999999999999993n, "1906-08-16T21:26:40.000000007+01:00"],
  ["Europe/London", 0n, "1970-01-01T01:00:00+01:00"],
  ["Europe/London", 1711846799999000000n, "2024-03-31T00:59:59.999Z"],
  ["Europe/London", 1711846800000000001n, "2024-03-31T02:00:00.000000001+01:00"],
  ["Europe/London", -500000000n, "1970-01-01T00:59:59.5+01:00"],
  ["Europe/London", 4102444800120000000n, "2100-01-01T00:00:00.12Z"],
  ["America/St_Johns", 0n, "1969-12-31T20:30:00-03:30"],
  ["America/St_Johns", 1711846799999000000n, "2024-03-30T22:29:59.999-02:30"],
  ["America/St_Johns", 1711846800000000001n, "2024-03-30T22:30:00.000000001-02:30"],
  ["America/St_Johns", -500000000n, "1969-12-31T20:29:59.5-03:30"],
  ["America/St_Johns", 4102444800120000000n, "2099-12-31T20:30:00.12-03:30"],
  ["Asia/Kathmandu", 0n, "1970-01-01T05:30:00+05:30"],
  ["Asia/Kathmandu", 1711846799999000000n, "2024-03-31T06:44:59.999+05:45"],
  ["Asia/Kathmandu", 1711846800000000001n, "2024-03-31T06:45:00.000000001+05:45"],
  ["Asia/Kathmandu", -500000000n, "1970-01-01T05:29:59.5+05:30"],
  ["Asia/Kathmandu", 4102444800120000000n, "2100-01-01T05:45:00.12+05:45"],
  ["Australia/Lord_Howe", 0n, "1970-01-01T10:00:00+10:00"],
  ["Australia/Lord_Howe", 1711846799999000000n, "2024-03-31T11:59:59.999+11:00"],
  ["Australia/Lord_Howe", 1711846800000000001n, "2024-03-31T12:00:00.000000001+11:00"],
  ["Australia/Lord_Howe", -500000000n, "1970-01-01T09:59:59.5+10:00"],
  ["Australia/Lord_Howe", 4102444800120000000n, "2100-01-01T11:00:00.12+11:00"],
];

test("a time is written as Go writes it in that zone", () => {
  for (const [name, ns, text] of fromGo) {
    setZone(name);
    assert.equal(formatTime(ns), text);
    assert.equal(parseTime(text), ns);
  }
});

test("a time reads back as itself in any zone", () => {
  const limit = { min: -62_167_132_800_000_000_000n, max: 253_402_214_400_000_000_000n };
  for (const name of ["UTC", "America/St_Johns", "Asia/Kathmandu", "Africa/Monrovia", "Europe/Amsterdam"]) {
    setZone(name);
    fc.assert(
      fc.property(fc.bigInt(limit), (ns) => assert.equal(parseTime(formatTime(ns)), ns)),
      { numRuns: 300 },
    );
  }
});

// The same from Go after the year was set as restic's fixTime does.
test("a year that RFC 3339 cannot say becomes the nearest it can, as in restic", () => {
  setZone("Europe/Berlin");
  assert.equal(formatTime(32_503_680_000_000_000_000_005n), "9999-08-14T02:00:00.000000005+02:00");
  assert.equal(formatTime(253_402_300_800_000_000_005n), "9999-01-01T01:00:00.000000005+01:00");
  assert.equal(formatTime(379_635_206_400_000_000_005n), "9999-03-01T01:00:00.000000005+01:00");
  assert.equal(formatTime(8_640_000_000_001_000_000_005n), "9999-09-13T02:00:01.000000005+02:00");
  assert.match(formatTime(-90_000_000_000_000_000_000n), /^0000-01-06T/);
  const farthest = 9_223_372_036_854_775_807n * 1_000_000_000n;
  assert.match(formatTime(farthest), /^9999-\d\d-\d\dT\d\d:\d\d:\d\d\+0[12]:00$/);
  assert.match(formatTime(-farthest), /^0000-\d\d-\d\dT\d\d:\d\d:\d\d\+00:53$/);
});

test("a text that is no time is damaged", () => {
  const wrong = [
    ...[
      "",
      "2026",
      "2026-02-29T00:00:00Z",
      "2026-13-01T00:00:00Z",
      "2026-00-01T00:00:00Z",
      "2026-01-00T00:00:00Z",
    ],
    ...["2026-01-01T24:00:00Z", "2026-01-01T00:60:00Z", "2026-01-01T00:00:60Z", "2026-01-01T00:00:00"],
    ...[
      "2026-01-01T00:00:00.Z",
      "2026-01-01T00:00:00+25:00",
      "2026-01-01T00:00:00+01:60",
      " 2026-01-01T00:00:00Z",
    ],
    ...["2026-01-01T00:00:00Z\n", `2026-01-01T00:00:00.${"1".repeat(31)}Z`],
  ];
  for (const text of wrong)
    assert.throws(
      () => parseTime(text),
      (error) => isBackupError(error, "damaged"),
      text,
    );
  assert.equal(parseTime("2024-02-29T00:00:00.1234567899+00:00"), 1_709_164_800_123_456_789n);
});
