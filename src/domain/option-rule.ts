/**
 * What the values of options may be, for programs whose compiler has not looked:
 * plain JavaScript, or JSON that was read from somewhere.
 *
 * @module
 */

import { BackupError } from "./error.ts";

/** What one option may be. */
export interface OptionRule {
  /** For people: "Cannot use level: 99 is not <wanted>". */
  readonly wanted: string;
  readonly fits: (value: unknown) => boolean;
  /** Never say what was given. */
  readonly secret?: boolean;
}

export type OptionRules = Readonly<Record<string, OptionRule>>;

/** Of a value that was given, shown in a message. */
const shownCharactersMax = 60;

export const text: OptionRule = { wanted: "text", fits: (value) => typeof value === "string" };
export const flag: OptionRule = { wanted: "true or false", fits: (value) => typeof value === "boolean" };
export const amount: OptionRule = {
  wanted: "a number",
  fits: (value) => typeof value === "number" && !Number.isNaN(value),
};
export const callback: OptionRule = { wanted: "a function", fits: (value) => typeof value === "function" };
export const record: OptionRule = { wanted: "an object", fits: isRecord };

/** One of these words. */
export function oneOf(...words: readonly string[]): OptionRule {
  return { wanted: words.join(" or "), fits: (value) => words.some((word) => word === value) };
}

/** A list, each item of which fits `item`. */
export function listOf(item: OptionRule): OptionRule {
  return {
    wanted: `a list whose items are ${item.wanted}`,
    fits: (value) => Array.isArray(value) && value.every(item.fits),
  };
}

/** An object that has all of these methods. */
export function having(...methods: readonly string[]): OptionRule {
  return {
    wanted: `an object with ${methods.join(", ")}`,
    fits: (value) => isRecord(value) && methods.every((method) => typeof value[method] === "function"),
  };
}

/**
 * Refuses options that are not what they must be. What is left out or undefined is fine, and so are
 * options that no rule knows.
 *
 * @param what What one of them is called, for people; its name is put behind it
 * @throws {BackupError} `invalid-input`
 */
export function checkOptions(given: unknown, what: string, rules: OptionRules): void {
  if (!isRecord(given)) throw refused(`${what}s`, given, record);
  for (const [name, rule] of Object.entries(rules)) {
    const value = given[name];
    if (value !== undefined && !rule.fits(value)) throw refused(`${what} ${name}`, value, rule);
  }
}

/** @throws {BackupError} `invalid-input` where it is missing or is not what the rule says */
export function checkValue(value: unknown, what: string, rule: OptionRule): void {
  if (!rule.fits(value)) throw refused(what, value, rule);
}

function refused(what: string, value: unknown, rule: OptionRule): BackupError {
  const shown = rule.secret === true ? "what was given" : shownValue(value);
  return new BackupError("invalid-input", `Cannot use ${what}: ${shown} is not ${rule.wanted}`, {
    hint: `Give ${rule.wanted}.`,
  });
}

function shownValue(value: unknown): string {
  if (typeof value === "string") return JSON.stringify(value.slice(0, shownCharactersMax));
  if (typeof value === "function") return "a function";
  if (Array.isArray(value)) return "a list";
  return typeof value === "object" && value !== null ? "an object" : String(value);
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
