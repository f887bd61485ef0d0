/**
 * Times as Go writes them (RFC 3339 with nanoseconds, trailing zeros dropped), in the
 * local time zone of that instant, because restic's do and a tree's id is the hash of
 * its bytes.
 *
 * @module
 */

import { BackupError } from "../../domain/error.ts";

const billion = 1_000_000_000n;
const daySeconds = 86_400;
/** The calendar repeats itself, weekdays included. */
const calendarCycleSeconds = 400 * 365.2425 * daySeconds;
/** JavaScript knows dates up to here. */
const dateSecondsMax = 8_640_000_000_000;
/** Numbers are exact up to here, and it is far beyond the year 9999. */
const secondsMax = 4_000_000_000_000_000;

const twoDigits: readonly string[] = Array.from({ length: 100 }, (_, n) => String(n).padStart(2, "0"));
const minutesOfDay: readonly string[] = Array.from(
  { length: 1440 },
  (_, n) => `T${twoDigits[Math.floor(n / 60)]}:${twoDigits[n % 60]}:`,
);

/**
 * The time in the zone this process lives in (`TZ`). Years before 0 and after 9999 become
 * these, as in restic.
 *
 * Offsets are whole minutes: where a zone once had seconds, restic writes a time that is off by
 * them, and this does not.
 */
export function formatTime(ns: bigint): string {
  let seconds = Number(ns / billion);
  let nanos = Number(ns % billion);
  if (nanos < 0) {
    nanos += 1_000_000_000;
    seconds -= 1;
  }
  return formatSeconds(Math.max(-secondsMax, Math.min(seconds, secondsMax)), nanos);
}

function formatSeconds(seconds: number, nanos: number): string {
  const offset = zoneOffset(seconds);
  const local = seconds + offset;
  const days = Math.floor(local / daySeconds);
  const rest = local - days * daySeconds;
  const date = formatDate(days);
  if (date === undefined) return formatSeconds(clampYear(days) * daySeconds + rest - offset, nanos);
  const minute = Math.floor(rest / 60);
  const time = `${minutesOfDay[minute]}${twoDigits[rest - minute * 60]}`;
  return `${date}${time}${formatFraction(nanos)}${formatOffset(offset)}`;
}

/** Seconds east of Greenwich at that instant. */
function zoneOffset(seconds: number): number {
  const known =
    Math.abs(seconds) < dateSecondsMax - daySeconds
      ? seconds
      : Math.sign(seconds) * (300_000_000_000 + (Math.abs(seconds) % calendarCycleSeconds));
  return -60 * new Date(known * 1000).getTimezoneOffset();
}

function formatFraction(nanos: number): string {
  if (nanos === 0) return "";
  let digits = 9;
  let value = nanos;
  while (value % 10 === 0) {
    value /= 10;
    digits--;
  }
  return `.${String(value).padStart(digits, "0")}`;
}

function formatOffset(offset: number): string {
  if (offset === 0) return "Z";
  const minutes = Math.abs(offset) / 60;
  return `${offset < 0 ? "-" : "+"}${twoDigits[Math.floor(minutes / 60)]}:${twoDigits[minutes % 60]}`;
}

/** Dates by their days since 1970. Ten years of them, so that a folder's dates mostly stay. */
const knownDatesMax = 4096;
const knownDates: { readonly days: number; readonly text: string }[] = Array.from(
  { length: knownDatesMax },
  () => ({ days: Number.NaN, text: "" }),
);

/** A date by its days since 1970; undefined outside the years 0 to 9999. */
function formatDate(days: number): string | undefined {
  const known = knownDates[days & (knownDatesMax - 1)];
  if (known?.days === days) return known.text;
  const { year, month, day } = civilFromDays(days);
  if (year < 0 || year > 9999) return undefined;
  const text = `${String(year).padStart(4, "0")}-${twoDigits[month]}-${twoDigits[day]}`;
  knownDates[days & (knownDatesMax - 1)] = { days, text };
  return text;
}

function clampYear(days: number): number {
  const { year, month, day } = civilFromDays(days);
  return daysFromCivil(year < 0 ? 0 : 9999, month, day);
}

/**
 * Year, month and day of the Gregorian calendar. Both functions count years from March, so
 * that the leap day is the last of a year, in cycles of 400 years or 146,097 days.
 */
function civilFromDays(days: number): { year: number; month: number; day: number } {
  const shifted = days + 719_468;
  const cycle = Math.floor(shifted / 146_097);
  const dayOfCycle = shifted - cycle * 146_097;
  const yearOfCycle = Math.floor(
    (dayOfCycle -
      Math.floor(dayOfCycle / 1460) +
      Math.floor(dayOfCycle / 36_524) -
      Math.floor(dayOfCycle / 146_096)) /
      365,
  );
  const dayOfYear =
    dayOfCycle - (365 * yearOfCycle + Math.floor(yearOfCycle / 4) - Math.floor(yearOfCycle / 100));
  const marchMonth = Math.floor((5 * dayOfYear + 2) / 153);
  const month = marchMonth < 10 ? marchMonth + 3 : marchMonth - 9;
  return {
    year: yearOfCycle + cycle * 400 + (month <= 2 ? 1 : 0),
    month,
    day: dayOfYear - Math.floor((153 * marchMonth + 2) / 5) + 1,
  };
}

function daysFromCivil(year: number, month: number, day: number): number {
  const marchYear = month <= 2 ? year - 1 : year;
  const cycle = Math.floor(marchYear / 400);
  const yearOfCycle = marchYear - cycle * 400;
  const dayOfYear = Math.floor((153 * (month > 2 ? month - 3 : month + 9) + 2) / 5) + day - 1;
  const leapDays = Math.floor(yearOfCycle / 4) - Math.floor(yearOfCycle / 100);
  return cycle * 146_097 + yearOfCycle * 365 + leapDays + dayOfYear - 719_468;
}

const shape = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,30})?(?:Z|[+-]\d\d:\d\d)$/;

/**
 * Nanoseconds since 1970 of a time in any zone. Digits after the ninth are dropped.
 *
 * @throws {BackupError} `damaged` where `text` is not such a time
 */
export function parseTime(text: string): bigint {
  if (!shape.test(text)) throw notATime(text);
  const year = digitsAt(text, 0) * 100 + digitsAt(text, 2);
  const [month, day] = [digitsAt(text, 5), digitsAt(text, 8)];
  const [hour, minute, second] = [digitsAt(text, 11), digitsAt(text, 14), digitsAt(text, 17)];
  if (!isDate(year, month, day) || hour > 23 || minute > 59 || second > 59) throw notATime(text);
  const zone = text.endsWith("Z") ? text.length - 1 : text.length - 6;
  const local = daysFromCivil(year, month, day) * daySeconds + hour * 3600 + minute * 60 + second;
  return BigInt(local - parseOffset(text, zone)) * billion + BigInt(parseFraction(text, zone));
}

/** Seconds from 1970 to the begin of a day, of which `text` is the date and the T behind it; undefined where it is none. */
export function secondsOfDate(text: string): number | undefined {
  if (!/^\d{4}-\d\d-\d\dT$/.test(text)) return undefined;
  const year = digitsAt(text, 0) * 100 + digitsAt(text, 2);
  const [month, day] = [digitsAt(text, 5), digitsAt(text, 8)];
  return isDate(year, month, day) ? daysFromCivil(year, month, day) * daySeconds : undefined;
}

function digitsAt(text: string, at: number): number {
  return (text.charCodeAt(at) - 48) * 10 + text.charCodeAt(at + 1) - 48;
}

const monthDays: readonly number[] = [0, 31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];

function isDate(year: number, month: number, day: number): boolean {
  const isLeapYear = year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0);
  const last = month === 2 && !isLeapYear ? 28 : monthDays[month];
  return last !== undefined && day >= 1 && day <= last;
}

function parseOffset(text: string, at: number): number {
  if (text.charCodeAt(at) === 90) return 0;
  const [hours, minutes] = [digitsAt(text, at + 1), digitsAt(text, at + 4)];
  if (hours > 24 || minutes > 59) throw notATime(text);
  return (text.charCodeAt(at) === 45 ? -60 : 60) * (hours * 60 + minutes);
}

function parseFraction(text: string, end: number): number {
  let nanos = 0;
  for (let i = 20; i < 29; i++) nanos = nanos * 10 + (i < end ? text.charCodeAt(i) - 48 : 0);
  return nanos;
}

function notATime(text: string): BackupError {
  return new BackupError("damaged", `Cannot read a time: "${text.slice(0, 40)}" is none`);
}
