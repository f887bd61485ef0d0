import assert from "node:assert/strict";
import { test } from "node:test";
import { retainedBackup } from "../testing/retained-backup.ts";
import { planRetention, type RetainedBackup, type SafetyRule } from "./retention.ts";

const dayMs = 86_400_000;
const nowMs = new Date(2024, 4, 15, 12, 0).getTime();

function backup(ageDays: number, changes: Partial<RetainedBackup> = {}): RetainedBackup {
  return retainedBackup(nowMs - ageDays * dayMs, changes);
}

test("planRetention() lets safety backups go that are older than asked for, and nothing that is still needed (I4, I5)", () => {
  const old = 60;
  const safety = { safety: true };
  const needed = backup(old, safety);
  const backups = [
    backup(old, safety),
    backup(1, safety),
    backup(old, { ...safety, pinned: true }),
    needed,
    backup(old, { ...safety, neverRemoved: true }),
    backup(old, { ...safety, type: "full" }),
    backup(old, { ...safety, source: "blog", type: "full" }),
    backup(61, { ...safety, source: "blog" }),
    backup(0),
    backup(0, { type: "full", state: "suspect" }),
  ];
  const reasons = (rule?: SafetyRule): readonly string[] =>
    planRetention(backups, { last: 9 }, nowMs, undefined, rule).decisions.map((d) => d.reasons.join());
  assert.deepEqual(reasons({ olderThan: "1m", needed: new Set([needed.id]) }).slice(0, 8), [
    "",
    "safety backup",
    "pinned",
    "undo may need it",
    "not made by this program",
    "suspect holds rotation",
    "newest good",
    "",
  ]);
  const among = reasons().slice(0, 8);
  assert.ok(
    among.every((reason) => reason.startsWith("safety backup")),
    "without that wish they all stay",
  );
});

test("planRetention() keeps the newest good safety backup of what no other good backup of the source holds (I5)", () => {
  const safety = { safety: true };
  const backups = [
    backup(61, safety),
    backup(60, safety),
    backup(60, { ...safety, type: "storage" }),
    backup(0, { type: "storage" }),
    backup(60, { ...safety, source: "blog" }),
    backup(0, { source: "blog", type: "full" }),
    backup(60, { ...safety, source: "wiki" }),
    backup(0, { source: "wiki", state: "incomplete" }),
  ];
  const rule = { olderThan: "1m", needed: new Set<string>() };
  const { decisions } = planRetention(backups, { last: 9 }, nowMs, undefined, rule);
  const kept = decisions.filter(({ backup: { safety } }) => safety).map(({ reasons }) => reasons.join());
  assert.deepEqual(kept, ["", "newest good", "", "", "newest good"]);
});
