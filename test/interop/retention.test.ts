/**
 * The rules of `rotate` against those of `restic forget`, on the same backups: who comes
 * from restic keeps the same backups with the same rules.
 */

import assert from "node:assert/strict";
import { test } from "node:test";
import { createBackupManager } from "../../src/app/create-backup-manager.ts";
import { systemClock } from "../../src/domain/clock.ts";
import type { RetentionRules } from "../../src/domain/retention-rules.ts";
import { openLocalStorage } from "../../src/storage/local-storage.ts";
import { readThisMachine } from "../../src/storage/this-machine.ts";
import { beginOptions, signal, summary } from "../../src/testing/vault-probe.ts";
import { openRepositoryVault } from "../../src/vault/repository/repository-vault.ts";
import { ResticPlace } from "./restic.ts";

// Its clocks change on 31 March and 27 October 2024; of this process and of restic.
process.env["TZ"] = "Europe/Berlin";

const hourMs = 3_600_000;
const newestMs = Date.UTC(2024, 10, 5, 8, 17, 3);

/** Every 42 minutes at first, then twice a day, then less and less, with pauses, until the year before. */
const agesHours: readonly number[] = [
  ...Array.from({ length: 16 }, (_, n) => n * 0.7),
  ...Array.from({ length: 16 }, (_, n) => 20 + n * 11.3),
  ...Array.from({ length: 12 }, (_, n) => 300 + n * 61),
  ...[1_500, 2_200, 2_209, 3_000, 3_800, 4_700, 5_300, 6_200, 7_400, 8_100, 8_101.5],
];

/** Tags of the backup that is `index` older than the newest. */
function tagsOf(index: number): readonly string[] {
  return [...(index % 7 === 0 ? ["release"] : []), ...(index % 5 === 0 ? ["checked"] : [])];
}

const policies: readonly RetentionRules[] = [
  { last: 1 },
  { last: 10, hourly: 5 },
  { hourly: 30 },
  { daily: 4 },
  { daily: 200 },
  { weekly: 6 },
  { monthly: 5, yearly: 1 },
  { yearly: 7 },
  { last: 2, daily: 7, weekly: 5, monthly: 100 },
  { within: "9h", daily: 2 },
  { within: "3m12d" },
  { within: "1y1m", last: 3 },
  { withinHourly: "2d", withinDaily: "20d", withinWeekly: "2m", withinMonthly: "9m", withinYearly: "5y" },
  { withinWeekly: "2y" },
  { tags: ["release", "checked"] },
  { tags: ["release,checked"], weekly: 2 },
];

const flagOf: Readonly<Record<keyof RetentionRules, string>> = {
  last: "--keep-last",
  hourly: "--keep-hourly",
  daily: "--keep-daily",
  weekly: "--keep-weekly",
  monthly: "--keep-monthly",
  yearly: "--keep-yearly",
  within: "--keep-within",
  withinHourly: "--keep-within-hourly",
  withinDaily: "--keep-within-daily",
  withinWeekly: "--keep-within-weekly",
  withinMonthly: "--keep-within-monthly",
  withinYearly: "--keep-within-yearly",
  tags: "--keep-tag",
};

/** Makes the backups, the newest last. */
async function makeBackups(place: ResticPlace): Promise<void> {
  await (await place.create()).storage[Symbol.asyncDispose]();
  const machine = readThisMachine();
  const storage = await openLocalStorage(place.repo, { create: false, machine });
  const password = async (): Promise<string> => place.password;
  const options = { storage, machine, password, clock: systemClock, toolVersion: "0.0.0-test" };
  const vault = await openRepositoryVault({ ...options, create: false }, signal);
  await using _ = storage;
  for (const [index, age] of [...agesHours.entries()].toReversed()) {
    const startedAtMs = newestMs - age * hourMs;
    const writer = await vault.begin(beginOptions({ startedAtMs, tags: tagsOf(index) }), signal);
    await writer.finish(summary(), signal);
  }
}

async function keptByRestic(place: ResticPlace, rules: RetentionRules): Promise<string[]> {
  const flags = Object.entries(rules).flatMap(([rule, value]) =>
    [value].flat().flatMap((one) => [flagOf[rule as keyof RetentionRules], String(one)]),
  );
  const text = await place.ok("forget", "--dry-run", "--json", "--group-by", "host", ...flags);
  const groups: { keep: { time: string }[] }[] = JSON.parse(text);
  assert.equal(groups.length, 1);
  return groups.flatMap(({ keep }) => keep.map(({ time }) => new Date(time).toISOString())).sort();
}

/** restic 0.16 and later keep the oldest snapshot too until there are as many as a rule counts, and so do we. */
async function keepsOldest(place: ResticPlace): Promise<boolean> {
  const [, major, minor] = /^restic (\d+)\.(\d+)/.exec(await place.ok("version")) ?? [];
  return Number(major) > 0 || Number(minor) >= 16;
}

test("rotate keeps what restic's forget keeps by the same rules", async () => {
  await using place = await ResticPlace.open();
  const withOldest = await keepsOldest(place);
  await makeBackups(place);
  await using manager = createBackupManager({ vault: place.repo, password: place.password, sources: [] });
  for (const rules of policies) {
    const { decisions } = await manager.rotateBackups({ rules, dryRun: true });
    assert.equal(decisions.length, agesHours.length);
    const kept = decisions.filter(({ reasons }) =>
      reasons.some((reason) => reason !== "newest good" && (withOldest || !reason.startsWith("oldest "))),
    );
    const wanted = await keptByRestic(place, rules);
    assert.deepEqual(
      kept.map(({ backup }) => new Date(backup.startedAtMs).toISOString()).sort(),
      wanted,
      JSON.stringify(rules),
    );
  }
});
