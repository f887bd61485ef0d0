/**
 * Sizes, counts and durations as people read and write them. Sizes count in
 * thousands (1 KB = 1,000 B), as disks and the labels KB, MB, GB do; exact
 * bytes are what JSON carries.
 *
 * @module
 */

const sizeUnits = ["B", "KB", "MB", "GB", "TB", "PB"] as const;

/** `0 B`, `999 B`, `1.2 KB`, `64.0 MB`: one decimal from KB on, 1 KB = 1,000 B. */
export function formatBytes(bytes: number): string {
  let value = bytes;
  let unit = 0;
  // 999.95 would be printed as 1000.0 of the smaller unit.
  while (value >= (unit === 0 ? 1000 : 999.95) && unit < sizeUnits.length - 1) {
    value /= 1000;
    unit++;
  }
  return `${unit === 0 ? Math.round(value) : value.toFixed(1)} ${sizeUnits[unit]}`;
}

/** `12,345`: digits in groups of three, the same on every machine. */
export function formatCount(count: number): string {
  return String(Math.round(count)).replace(/\B(?=(?:\d{3})+$)/g, ",");
}

/** `1 file`, `2,000 files`; `plural` where adding an "s" is wrong. */
export function formatQuantity(count: number, noun: string, plural: string = `${noun}s`): string {
  return `${formatCount(count)} ${count === 1 ? noun : plural}`;
}

const durationUnits = [
  ["d", 86_400_000],
  ["h", 3_600_000],
  ["min", 60_000],
  ["s", 1000],
] as const;

/** `85 ms`, `1.4 s`, `42 s`, `3 min 20 s`, `2 h 5 min`, `3 d 4 h`: two units at most. */
export function formatDuration(durationMs: number): string {
  if (durationMs < 1000) return `${Math.max(0, Math.round(durationMs))} ms`;
  if (durationMs < 9950) return `${(durationMs / 1000).toFixed(1)} s`;
  const rounded = Math.round(durationMs / 1000) * 1000;
  const first = durationUnits.findIndex(([, unitMs]) => rounded >= unitMs);
  const [name, unitMs] = durationUnits[first]!;
  const whole = Math.floor(rounded / unitMs);
  const next = durationUnits[first + 1];
  const rest = next === undefined ? 0 : Math.floor((rounded % unitMs) / next[1]);
  return rest === 0 ? `${whole} ${name}` : `${whole} ${name} ${rest} ${next![0]}`;
}

const ageUnits = [
  ["year", 365 * 86_400_000],
  ["month", 30 * 86_400_000],
  ["day", 86_400_000],
  ["hour", 3_600_000],
  ["minute", 60_000],
] as const;

/** `just now`, `5 minutes ago`, `3 days ago`; `in 2 hours` for a time ahead of this machine's clock. */
export function formatAge(ageMs: number): string {
  const distance = Math.abs(ageMs);
  const unit = ageUnits.find(([, unitMs]) => distance >= unitMs);
  if (unit === undefined) return "just now";
  const text = formatQuantity(Math.floor(distance / unit[1]), unit[0]);
  return ageMs < 0 ? `in ${text}` : `${text} ago`;
}

const waitUnitsMs: Readonly<Record<string, number>> = { s: 1000, m: 60_000, h: 3_600_000 };

/**
 * Milliseconds of a time to wait such as `90s`, `10m`, `1h30m` or `0` (here `m` is minutes,
 * unlike in retention rules, where nobody waits).
 *
 * @throws {SyntaxError} for anything else
 */
export function parseWait(text: string): number {
  if (text === "0") return 0;
  if (!/^(?:\d{1,6}[smh])+$/.test(text)) {
    throw new SyntaxError(`Cannot read duration "${text}": wanted for example 90s, 10m or 1h30m`);
  }
  let totalMs = 0;
  for (const [, digits, unit] of text.matchAll(/(\d+)([smh])/g)) {
    totalMs += Number(digits) * waitUnitsMs[unit!]!;
  }
  return totalMs;
}
