/**
 * The border of the library for what a manager is made from: that every value of a
 * configuration is of the type its interface says. What the values mean is checked in
 * `configuration.ts`.
 *
 * @module
 */

import {
  amount,
  callback,
  checkOptions,
  checkValue,
  flag,
  having,
  listOf,
  type OptionRule,
  type OptionRules,
  record,
  text,
} from "../domain/option-rule.ts";

const items: OptionRule = { wanted: "a list", fits: Array.isArray };
const present: OptionRule = { ...text, wanted: "text, which it needs" };
const list: OptionRule = listOf(text);

const configurationRules: OptionRules = {
  vault: text,
  format: text,
  // A text, a function, or an object that says where it is.
  password: {
    wanted: "a password, an object that says where it is, or a function",
    fits: (value) => text.fits(value) || record.fits(value) || callback.fits(value),
    secret: true,
  },
  sources: items,
  retention: record,
  state: text,
  lockWaitMs: amount,
};

const passwordRules: OptionRules = { file: text, command: text, variable: text };

const sourceRules: OptionRules = { name: text, databases: items, storage: items, references: items };

const databaseRules: OptionRules = { path: text, name: text };

const folderRules: OptionRules = {
  ...databaseRules,
  exclude: list,
  plainFiles: list,
  oneFileSystem: flag,
  excludeCaches: flag,
};

const referenceRules: OptionRules = { database: text, table: text, column: text, base: text };

const managerRules: OptionRules = {
  observer: having("progress", "warning", "problem"),
  clock: having("now", "elapsed"),
  environment: record,
  askPassword: callback,
};

/** @throws {BackupError} `invalid-input`, naming the option */
export function checkManagerOptions(options: unknown): void {
  checkOptions(options, "manager option", managerRules);
}

/** @throws {BackupError} `invalid-input`, naming the value */
export function checkConfigurationTypes(configuration: unknown): void {
  checkOptions(configuration, "configuration value", configurationRules);
  const { vault, password, sources } = configuration as Readonly<Record<string, unknown>>;
  checkValue(vault, "configuration value vault", present);
  if (record.fits(password)) checkOptions(password, "configuration value password", passwordRules);
  for (const source of (sources ?? []) as readonly unknown[]) checkSource(source);
}

function checkSource(source: unknown): void {
  checkOptions(source, "source value", sourceRules);
  const { name, databases, storage, references } = source as Readonly<Record<string, unknown>>;
  checkValue(name, "source value name", present);
  checkPaths(databases, "database", databaseRules);
  checkPaths(storage, "storage", folderRules);
  for (const reference of (references ?? []) as readonly unknown[]) {
    checkOptions(reference, "reference value", referenceRules);
    for (const needed of ["table", "column", "base"])
      checkValue((reference as Record<string, unknown>)[needed], `reference value ${needed}`, present);
  }
}

/** Each a path, or an object that has one. */
function checkPaths(given: unknown, what: string, rules: OptionRules): void {
  for (const item of (given ?? []) as readonly unknown[]) {
    if (text.fits(item)) continue;
    checkOptions(item, `${what} value`, rules);
    checkValue((item as Record<string, unknown>)["path"], `${what} value path`, present);
  }
}
