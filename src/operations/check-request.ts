/**
 * The border of the library: what a request may hold, checked once before anything is
 * opened. A name means the same in every request, so one table serves all.
 *
 * @module
 */

import { backupTypes } from "../domain/backup.ts";
import {
  amount,
  callback,
  checkOptions,
  flag,
  having,
  listOf,
  type OptionRule,
  type OptionRules,
  oneOf,
  record,
  text,
} from "../domain/option-rule.ts";

const level: OptionRule = {
  wanted: "a whole number from 1 to 9",
  fits: (value) => Number.isInteger(value) && (value as number) >= 1 && (value as number) <= 9,
};

/** A part of a repository's data; which ones make sense is known where it is read. */
const readData: OptionRule = {
  wanted: "none, all, a part, true or false",
  fits: (value) => record.fits(value) || value === "none" || value === "all" || flag.fits(value),
};

const secret: OptionRule = { ...text, secret: true };

const rules: OptionRules = {
  signal: having("throwIfAborted", "addEventListener"),
  observer: having("progress", "warning", "problem"),
  type: oneOf(...backupTypes),
  only: oneOf("database", "storage"),
  depth: oneOf("stored", "content"),
  format: oneOf("archive", "repository", "tar", "zip"),
  kinds: listOf(oneOf("file", "directory", "symlink", "database")),
  rules: record,
  level,
  readData,
  password: secret,
  ...named(text, "source", "backup", "before", "after", "path", "target", "pattern", "tag"),
  ...named(text, "username", "host", "key", "restoreId", "safetyOlderThan"),
  ...named(listOf(text), "tags", "include", "backups", "forget"),
  ...named(amount, "sinceMs", "untilMs", "maxUnusedPercent", "maxUnusedBytes"),
  ...named(flag, "integrityCheck", "rotate", "dryRun", "prune", "live", "force", "spaceCheck", "skipDamaged"),
  ...named(flag, "recursive", "ignoreCase", "newest", "all"),
  ...named(callback, "confirm", "beforeMaking", "onUnsearched"),
};

/**
 * Refuses a request whose options are not of the types its interface says.
 *
 * @throws {BackupError} `invalid-input`, naming the option
 */
export function checkRequest(request: unknown): void {
  checkOptions(request, "option", rules);
}

function named(rule: OptionRule, ...names: readonly string[]): OptionRules {
  return Object.fromEntries(names.map((name) => [name, rule]));
}
