import assert from "node:assert/strict";
import { test } from "node:test";
import { fc } from "../testing/properties.ts";
import { retainedBackup } from "../testing/retained-backup.ts";
import { type BackupState, type BackupType, backupTypes } from "./backup.ts";
import { parseDuration, subtractDuration } from "./duration.ts";
import { isBackupError } from "./error.ts";
import { planRetention, type RetainedBackup } from "./retention.ts";
import { checkRetentionRules, type RetentionRules } from "./retention-rules.ts";

const hourMs = 3_600_000;
const newestMs = new Date(2024, 4, 15, 12, 0).getTime();
const nowMs = newestMs + hourMs;

function backup(at: number | Date, changes: Partial<RetainedBackup> = {}): RetainedBackup {
  return retainedBackup(typeof at === "number" ? at : at.getTime(), changes);
}

/** One every `stepMs`, newest first. */
function series(count: number, stepMs: number, changes: Partial<RetainedBackup> = {}): RetainedBackup[] {
  return Array.from({ length: count }, (_, index) => backup(newestMs - index * stepMs, changes));
}

function kept(
  backups: readonly RetainedBackup[],
  rules: RetentionRules,
  now: number = nowMs,
): RetainedBackup[] {
  return planRetention(backups, rules, now)
    .decisions.filter((decision) => decision.keep)
    .map((decision) => decision.backup);
}

function inTimeZone<T>(zone: string, work: () => T): T {
  const before = process.env["TZ"];
  process.env["TZ"] = zone;
  try {
    return work();
  } finally {
    if (before === undefined) delete process.env["TZ"];
    else process.env["TZ"] = before;
  }
}

test("planRetention() keeps what was just made, also where the clock was set back and its time is not the newest", () => {
  const made = backup(newestMs - 20 * hourMs);
  const backups = [...series(3, hourMs), made, backup(newestMs - 30 * hourMs)];
  const reasons = (justMade?: string): readonly string[] =>
    planRetention(backups, { last: 1 }, made.startedAtMs, justMade).decisions.map((d) => d.reasons.join());
  assert.deepEqual(reasons(), ["last,newest good", "", "", "", ""]);
  assert.deepEqual(reasons(made.id), ["last,newest good", "", "", "just made", ""]);
  assert.deepEqual(reasons(backups[0]?.id), reasons(), "where a rule keeps it, nothing more is said");
});

test("planRetention() keeps the last N of each source and type on its own", () => {
  const backups = [
    ...series(5, hourMs),
    ...series(5, hourMs, { type: "storage" }),
    ...series(5, hourMs, { type: "full" }),
    ...series(5, hourMs, { source: "blog" }),
  ];
  const stay = kept(backups, { last: 2 });
  assert.equal(stay.length, 8);
  assert.deepEqual(
    stay,
    [0, 5, 10, 15].flatMap((start) => backups.slice(start, start + 2)),
  );
});

test("planRetention() keeps the newest of each day, and counts only days that have backups", () => {
  const days = [0, 1, 2, 5, 9].map((day) => newestMs - day * 24 * hourMs);
  const backups = days.flatMap((day) => [backup(day), backup(day - hourMs), backup(day - 2 * hourMs)]);
  assert.deepEqual(
    kept(backups, { daily: 4 }),
    [0, 3, 6, 9].map((index) => backups[index]),
  );
});

test("planRetention() keeps one backup a month and a year, and begins weeks on Monday", () => {
  const sunday = backup(new Date(2024, 4, 12, 23, 59));
  const monday = backup(new Date(2024, 4, 13, 0, 1));
  assert.equal(kept([monday, sunday], { weekly: 5 }).length, 2);
  const newYear = [backup(new Date(2024, 0, 1, 0, 5)), backup(new Date(2023, 11, 31, 23, 55))];
  assert.equal(kept(newYear, { yearly: 5 }).length, 2);
  assert.equal(kept(newYear, { monthly: 5 }).length, 2);
  // ISO 8601: 31 December 2024 is a Tuesday and shares its week with 1 January 2025.
  const sameWeek = [backup(new Date(2025, 0, 1, 12)), backup(new Date(2024, 11, 31, 12))];
  assert.equal(kept(sameWeek, { weekly: 1 }, new Date(2025, 0, 2).getTime()).length, 1);
});

test("planRetention() keeps everything within a duration of the newest backup, not of now", () => {
  const backups = series(10, 24 * hourMs);
  // Not what is exactly as old, as restic.
  assert.deepEqual(kept(backups, { within: "3d" }, nowMs + 400 * 24 * hourMs), backups.slice(0, 3));
  assert.deepEqual(kept(backups, { within: "3d1h" }, nowMs + 400 * 24 * hourMs), backups.slice(0, 4));
});

test("planRetention() keeps the newest of each day within a duration", () => {
  const backups = series(24, 6 * hourMs);
  assert.deepEqual(
    kept(backups, { withinDaily: "2d2h" }),
    [0, 3, 7].map((index) => backups[index]),
  );
});

test("planRetention() keeps the oldest backup until a rule has as many as it counts", () => {
  // The newest is of 12:00: three of that day, then four a day.
  const backups = series(11, 6 * hourMs);
  const plan = planRetention(backups, { daily: 4 }, nowMs);
  assert.deepEqual(
    plan.decisions.flatMap(({ keep, reasons }, index) => (keep ? [[index, reasons.join()]] : [])),
    [
      [0, "daily,newest good"],
      [3, "daily"],
      [7, "daily"],
      [10, "oldest daily"],
    ],
  );
  assert.deepEqual(
    kept(backups, { daily: 3 }),
    [0, 3, 7].map((index) => backups[index]),
  );
  assert.equal(kept(backups, { withinDaily: "9d" }).at(-1), backups[10]);
  assert.equal(kept(backups, { withinDaily: "2d" }).at(-1), backups[7]);
});

test("planRetention() without a limit keeps one of every day, week or month there is", () => {
  const backups = series(400, 12 * hourMs);
  assert.deepEqual(kept(backups, { last: "unlimited", daily: 1 }), backups);
  assert.deepEqual(kept(backups, { daily: "unlimited" }), kept(backups, { daily: 400 }));
});

test("planRetention() keeps what has one of the tags, or all of those that belong together", () => {
  const tagged = [["a"], ["b"], ["b", "a"], ["c"], []].map((tags, index) =>
    backup(newestMs - (index + 1) * hourMs, { tags }),
  );
  const [first, ...others] = [backup(newestMs), ...tagged];
  assert.deepEqual(kept([...tagged, first], { tags: ["a"] }), [others[0], others[2], first]);
  assert.deepEqual(kept([...tagged, first], { tags: ["a,b", "c"] }), [others[2], others[3], first]);
});

test("planRetention() with the default rules keeps weeks of history of four database backups a day", () => {
  const backups = series(4 * 80, 6 * hourMs);
  const stay = kept(backups, { last: 7, daily: 14, weekly: 8 });
  const oldest = stay.at(-1)?.startedAtMs ?? newestMs;
  assert.ok((newestMs - oldest) / (24 * hourMs) > 40);
  assert.ok(stay.length < 30);
});

test("planRetention() never counts or removes safety backups, files that are not ours, or the future", () => {
  const exempt = [
    backup(newestMs - 9 * hourMs, { safety: true }),
    backup(newestMs - 9 * hourMs, { state: "unverified" }),
    backup(newestMs + 1000 * hourMs),
    backup(newestMs, { neverRemoved: true }),
    backup(newestMs, { neverRemoved: true, state: "damaged" }),
  ];
  const backups = [...exempt, ...series(3, hourMs)];
  const plan = planRetention(backups, { last: 1 }, nowMs);
  assert.deepEqual(
    plan.decisions.map((decision) => [decision.keep, decision.reasons.join()]),
    [
      [true, "safety backup"],
      [true, "not made by this program"],
      [true, "dated in the future"],
      [true, "not made by this program"],
      [true, "cannot be read"],
      [true, "last,newest good"],
      [false, ""],
      [false, ""],
    ],
  );
});

test("planRetention() keeps what is pinned, in addition to the counts", () => {
  const backups = series(5, hourMs).map((b, index) => ({ ...b, pinned: index === 4 }));
  assert.deepEqual(kept(backups, { last: 2 }), [backups[0], backups[1], backups[4]]);
});

test("planRetention() does not let bad backups push good ones out (I5)", () => {
  const bad = series(7, hourMs, { state: "damaged" });
  const good = Array.from({ length: 3 }, (_, index) => backup(newestMs - (20 + index) * hourMs));
  const stay = kept([...bad, ...good], { last: 2 });
  assert.deepEqual(stay, [bad[0], bad[1], good[0], good[1]]);
});

test("planRetention() rotates a source whose backups are always incomplete", () => {
  const backups = series(9, hourMs, { state: "incomplete" });
  const plan = planRetention(backups, { last: 3 }, nowMs);
  assert.equal(plan.decisions.filter((decision) => decision.keep).length, 3);
  assert.deepEqual(plan.decisions[0]?.reasons, ["last", "newest readable"]);
});

test("planRetention() removes nothing of a source and type with a suspect backup, and says so (I5)", () => {
  const suspect = backup(newestMs, { state: "suspect", stateReason: "folder uploads is empty" });
  const group = [suspect, ...series(4, hourMs)];
  const others = series(4, hourMs, { type: "storage" });
  const plan = planRetention([...group, ...others], { last: 1 }, nowMs);
  assert.equal(plan.decisions.filter((decision) => !decision.keep).length, 3);
  assert.ok(
    plan.decisions.slice(0, 5).every((decision) => decision.reasons.includes("suspect holds rotation")),
  );
  assert.equal(plan.held.length, 1);
  assert.match(plan.held[0] ?? "", /shop.*folder uploads is empty/);
});

test("planRetention() tells the two equal hours apart when clocks go back, and no hour is lost when they go on", () => {
  inTimeZone("Europe/Berlin", () => {
    // 27 October 2024: 02:00 to 02:59 comes twice.
    const autumn = Date.UTC(2024, 9, 27, 3, 30);
    const night = [0, 1, 2, 3, 4].map((hour) => backup(autumn - hour * hourMs));
    assert.equal(kept(night, { hourly: 5 }, autumn).length, 5);
    assert.equal(kept(night, { daily: 1 }, autumn).length, 1);
    const days = Array.from({ length: 26 }, (_, hour) =>
      backup(Date.UTC(2024, 9, 27, 22, 30) - hour * hourMs),
    );
    // The day has 25 hours, so that 26 hourly backups touch two days.
    const reasons = (backups: RetainedBackup[]): string =>
      String(planRetention(backups, { daily: 9 }, autumn + 24 * hourMs).decisions.at(-1)?.reasons);
    assert.equal(reasons(days), "daily");
    assert.equal(reasons(days.slice(0, 25)), "oldest daily");
    const spring = Date.UTC(2024, 2, 31, 4, 30);
    const hours = [0, 1, 2, 3].map((hour) => backup(spring - hour * hourMs));
    assert.equal(kept(hours, { hourly: 9 }, spring).length, 4);
  });
});

test("checkRetentionRules() refuses rules that keep nothing and counts that are none", () => {
  const refused: RetentionRules[] = [
    {},
    { last: 0 },
    { last: -1 },
    { daily: 1.5 },
    { last: 3, weekly: 0 },
    { within: "soon" },
    { last: Number.NaN },
    { tags: [] },
    { tags: ["a,,b"] },
    { last: 3, withinDaily: "now" },
  ];
  for (const rules of refused) {
    assert.throws(
      () => checkRetentionRules(rules),
      (error) => isBackupError(error, "invalid-input"),
    );
    assert.throws(
      () => planRetention([], rules, nowMs),
      (error) => isBackupError(error, "invalid-input"),
    );
  }
  checkRetentionRules({ within: "1y" });
  checkRetentionRules({ yearly: "unlimited" });
  checkRetentionRules({ tags: ["a,b"] });
});

const states: readonly BackupState[] = ["good", "good", "good", "incomplete", "damaged", "unverified"];

const someBackups = fc.array(
  fc.record({
    hour: fc.integer({ min: 0, max: 24 * 900 }),
    source: fc.constantFrom("shop", "blog"),
    type: fc.constantFrom<BackupType>(...backupTypes),
    state: fc.constantFrom(...states),
    pinned: fc.constantFrom(false, false, false, true),
    safety: fc.constantFrom(false, false, false, true),
  }),
  { maxLength: 60 },
);

const someCount = fc.option(fc.oneof(fc.integer({ min: 1, max: 12 }), fc.constant("unlimited" as const)), {
  nil: undefined,
});
const someAge = fc.option(fc.constantFrom("2h", "9d", "3m", "1y"), { nil: undefined });
const someRules = fc
  .record({
    last: someCount,
    hourly: someCount,
    daily: someCount,
    weekly: someCount,
    monthly: someCount,
    yearly: someCount,
    within: someAge,
    withinDaily: someAge,
    withinYearly: someAge,
  })
  .map((rules) => Object.fromEntries(Object.entries(rules).filter(([, value]) => value !== undefined)))
  .filter((rules) => Object.keys(rules).length > 0) as fc.Arbitrary<RetentionRules>;

function made(drawn: typeof someBackups extends fc.Arbitrary<infer T> ? T : never): RetainedBackup[] {
  return drawn.map(({ hour, ...changes }) => backup(newestMs - hour * hourMs, changes));
}

function union(a: RetentionRules, b: RetentionRules): RetentionRules {
  const counts = (["last", "hourly", "daily", "weekly", "monthly", "yearly"] as const).flatMap((rule) => {
    const given = [a[rule] ?? 0, b[rule] ?? 0];
    const count = given.includes("unlimited") ? "unlimited" : Math.max(...given.map(Number));
    return count === 0 ? [] : [[rule, count]];
  });
  return { ...b, ...a, ...Object.fromEntries(counts) };
}

test("planRetention() never removes more when it is given more keep rules", () => {
  fc.assert(
    fc.property(someBackups, someRules, someRules, (drawn, rules, further) => {
      const backups = made(drawn);
      const more = new Set(kept(backups, union(rules, further)));
      for (const b of kept(backups, rules)) assert.ok(more.has(b));
    }),
  );
});

test("planRetention() always keeps the newest good backup of each source and type (I5)", () => {
  fc.assert(
    fc.property(someBackups, someRules, (drawn, rules) => {
      const backups = made(drawn);
      const stay = new Set(kept(backups, rules));
      const good = backups.filter((b) => b.state === "good" && !b.safety);
      for (const group of Map.groupBy(good, (b) => `${b.source} ${b.type}`).values()) {
        const newest = Math.max(...group.map((b) => b.startedAtMs));
        assert.ok(group.some((b) => b.startedAtMs === newest && stay.has(b)));
      }
    }),
  );
});

test("planRetention() decides each backup once, whatever order they come in", () => {
  fc.assert(
    fc.property(someBackups, someRules, (drawn, rules) => {
      const backups = made(drawn);
      const plan = planRetention(backups, rules, nowMs);
      assert.deepEqual(
        plan.decisions.map((decision) => decision.backup),
        backups,
      );
      assert.ok(plan.decisions.every((decision) => decision.keep === decision.reasons.length > 0));
      const ids = (list: readonly RetainedBackup[]): string[] => list.map((b) => b.id).toSorted();
      assert.deepEqual(ids(kept(backups.toReversed(), rules)), ids(kept(backups, rules)));
    }),
  );
});

test("planRetention() with `within` loses nothing that young to backups made while the clock was ahead", () => {
  const ahead = fc.record({
    days: fc.integer({ min: 400, max: 30_000 }),
    count: fc.integer({ min: 1, max: 20 }),
    /** Was the clock set right again before the rotation? */
    corrected: fc.boolean(),
  });
  fc.assert(
    fc.property(someBackups, fc.constantFrom("2d", "9d", "3m", "1y"), ahead, (drawn, within, later) => {
      const backups = made(drawn).map((b) => ({ ...b, state: "good" as const, source: "shop" }));
      const aheadMs = newestMs + later.days * 24 * hourMs;
      const wrong = backups
        .slice(0, 1)
        .flatMap(({ type }) =>
          Array.from({ length: later.count }, (_, n) => backup(aheadMs + n * hourMs, { type })),
        );
      const stay = new Set(kept([...wrong, ...backups], { within }, later.corrected ? nowMs : aheadMs));
      for (const group of Map.groupBy(backups, ({ type }) => type).values()) {
        const oldestMs = subtractDuration(
          Math.max(...group.map((b) => b.startedAtMs)),
          parseDuration(within),
        );
        for (const b of group) assert.ok(b.startedAtMs <= oldestMs || stay.has(b), String(b.startedAtMs));
      }
    }),
  );
});

test("planRetention() with `within` lets go of what is before a gap once what is after it reaches as far", () => {
  const before = [100, 101, 102, 104.9, 110].map((day) => backup(newestMs - day * 24 * hourMs));
  const after = (days: number): RetainedBackup[] => series(days, 24 * hourMs);
  const [few, many] = [after(3), after(7)];
  assert.deepEqual(kept([...few, ...before], { within: "5d" }), [...few, ...before.slice(0, 4)]);
  assert.deepEqual(kept([...many, ...before], { within: "5d" }), many.slice(0, 5));
  const pause = [80, 81].map((day) => backup(newestMs - day * 24 * hourMs));
  assert.deepEqual(kept([...few, ...pause], { within: "5d" }), few, "a pause that is not long");
});
