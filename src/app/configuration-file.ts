/**
 * Reads `vertex-backup.yaml`. Strict: an unknown key is refused by name and line,
 * because a misspelt rule that is silently ignored costs backups.
 *
 * @module
 */

import { readFileSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { type Document, isMap, isNode, isScalar, isSeq, LineCounter, parseDocument } from "yaml";
import { z } from "zod";
import { parseDuration } from "../domain/duration.ts";
import { BackupError, errorText, isBackupError } from "../domain/error.ts";
import type { RetentionRules } from "../domain/retention-rules.ts";
import type { FolderConfiguration, ManagerConfiguration, SourceConfiguration } from "./configuration.ts";
import { fromHome } from "./home-directory.ts";
import type { GivenPassword } from "./password-choice.ts";
import { localFolder } from "./vault-place.ts";

/** A configuration is written by hand; what is larger is some other file. */
const fileSizeBytesMax = 1024 * 1024;

const keysHint = "docs/configuration.md lists every key of the file.";

const text = z.string().min(1);
const path = text.refine((value) => !/^~[a-z_][\w.-]*(?:\/|$)/i.test(value), {
  error: "only ~/ is understood, one's own home: write the whole path, or ./~NAME for what is called so",
});
const count = z.union([z.number().int().min(1), z.literal("unlimited")], {
  error: "wanted a whole number of at least 1, or unlimited",
});

/** Looked at here, where the line is known, and again where it is used. */
const duration = z.string().refine(isDuration, { error: "wanted a duration like 1y5m7d2h" });

const database = z.union([path, z.strictObject({ path, name: z.string().optional() })], {
  error: "wanted a path, or path and name",
});

const folder = z.union(
  [
    path,
    z.strictObject({
      path,
      name: z.string().optional(),
      exclude: z.array(z.string()).optional(),
      one_file_system: z.boolean().optional(),
      exclude_caches: z.boolean().optional(),
      plain_files: z.array(z.string()).optional(),
    }),
  ],
  { error: "wanted a path, or path, name, exclude, one_file_system, exclude_caches and plain_files" },
);

const reference = z.strictObject({
  database: z.string().optional(),
  table: z.string().min(1),
  column: z.string().min(1),
  base: path,
});

const source = z.strictObject({
  name: z.string().min(1),
  databases: z.array(database).optional(),
  storage: z.array(folder).optional(),
  references: z.array(reference).optional(),
});

const retentionRules = z.strictObject({
  last: count.optional(),
  hourly: count.optional(),
  daily: count.optional(),
  weekly: count.optional(),
  monthly: count.optional(),
  yearly: count.optional(),
  within: duration.optional(),
  within_hourly: duration.optional(),
  within_daily: duration.optional(),
  within_weekly: duration.optional(),
  within_monthly: duration.optional(),
  within_yearly: duration.optional(),
  tags: z.array(z.string().min(1)).optional(),
});

const document = z.strictObject({
  vault: path.optional(),
  format: z.enum(["archive", "repository"]).optional(),
  password_file: path.optional(),
  password_command: text.optional(),
  // As the options are spelled.
  "password-file": path.optional(),
  "password-command": text.optional(),
  sources: z.array(source).optional(),
  retention: retentionRules.optional(),
  state: path.optional(),
});

/** A configuration in which the vault may be missing, and the password's place is only named. */
export interface FileConfiguration extends Omit<ManagerConfiguration, "vault" | "password"> {
  readonly vault?: string;
  readonly password: GivenPassword;
}

/**
 * The configuration a file holds, its paths made absolute from the file's folder.
 *
 * @param file Absolute path
 * @throws {BackupError} `invalid-input`, naming the line; `source-unavailable` if it cannot be read
 */
export function readConfigurationFile(file: string): FileConfiguration {
  const lines = new LineCounter();
  const yaml = parseDocument(readText(file), { lineCounter: lines });
  const syntax = yaml.errors[0];
  if (syntax !== undefined) {
    const place = `${file}:${lines.linePos(syntax.pos[0]).line}`;
    throw new BackupError(
      "invalid-input",
      `Cannot read configuration ${place}: ${firstLine(syntax.message)}`,
      {
        cause: syntax,
      },
    );
  }
  const parsed = document.safeParse(expand(file, yaml) ?? {});
  if (!parsed.success) throw refusal(file, parsed.error, yaml, lines);
  const base = dirname(file);
  const { vault, format, sources, retention, state } = parsed.data;
  const passwordFile = parsed.data.password_file ?? parsed.data["password-file"];
  const passwordCommand = parsed.data.password_command ?? parsed.data["password-command"];
  return {
    ...withoutUndefined({
      vault: vault && localFolder(fromHome(vault), base),
      format,
      state: state && resolvePath(base, state),
    }),
    password: withoutUndefined({
      passwordFile: passwordFile && resolvePath(base, passwordFile),
      passwordCommand,
    }),
    ...(retention === undefined ? {} : { retention: convertRetention(retention) }),
    sources: (sources ?? []).map((given) => convertSource(given, base)),
  };
}

function isDuration(text: string): boolean {
  try {
    parseDuration(text);
    return true;
  } catch (error) {
    if (isBackupError(error, "invalid-input")) return false;
    throw error;
  }
}

/** Aliases that multiply each other would fill the memory; the parser counts them. */
function expand(file: string, yaml: Document): unknown {
  try {
    return yaml.toJS();
  } catch (error) {
    throw notExpanded(file, error);
  }
}

function notExpanded(file: string, cause: unknown): BackupError {
  const message = `Cannot read configuration ${file}: ${firstLine(errorText(cause))}`;
  return new BackupError("invalid-input", message, { cause, hint: keysHint });
}

function readText(file: string): string {
  const text = attemptRead(file);
  if (text.length <= fileSizeBytesMax) return text;
  throw new BackupError(
    "invalid-input",
    `Cannot read configuration ${file}: larger than ${fileSizeBytesMax} bytes`,
  );
}

function attemptRead(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch (error) {
    throw unreadable(file, error);
  }
}

function unreadable(file: string, cause: unknown): BackupError {
  return new BackupError("source-unavailable", `Cannot read configuration ${file}: ${errorText(cause)}`, {
    cause,
  });
}

function resolvePath(base: string, path: string): string {
  return resolve(base, fromHome(path));
}

function convertSource(given: z.infer<typeof source>, base: string): SourceConfiguration {
  return {
    name: given.name,
    databases: (given.databases ?? []).map((item) =>
      typeof item === "string"
        ? resolvePath(base, item)
        : withoutUndefined({ ...item, path: resolvePath(base, item.path) }),
    ),
    storage: (given.storage ?? []).map((item) =>
      typeof item === "string" ? resolvePath(base, item) : convertFolder(item, base),
    ),
    references: (given.references ?? []).map((item) =>
      withoutUndefined({ ...item, base: resolvePath(base, item.base) }),
    ),
  };
}

function convertFolder(item: Exclude<z.infer<typeof folder>, string>, base: string): FolderConfiguration {
  return withoutUndefined({
    path: resolvePath(base, item.path),
    name: item.name,
    exclude: item.exclude,
    oneFileSystem: item.one_file_system,
    excludeCaches: item.exclude_caches,
    plainFiles: item.plain_files,
  });
}

function convertRetention(given: z.infer<typeof retentionRules>): RetentionRules {
  const { within_hourly, within_daily, within_weekly, within_monthly, within_yearly, ...others } = given;
  return withoutUndefined({
    ...others,
    withinHourly: within_hourly,
    withinDaily: within_daily,
    withinWeekly: within_weekly,
    withinMonthly: within_monthly,
    withinYearly: within_yearly,
  });
}

type Defined<T> = { [K in keyof T]: Exclude<T[K], undefined> };

/** Drops keys whose value is undefined: the types of the program tell "absent" from "undefined". */
function withoutUndefined<T extends object>(object: T): Defined<T> {
  return Object.fromEntries(Object.entries(object).filter(([, value]) => value !== undefined)) as Defined<T>;
}

function refusal(file: string, error: z.ZodError, yaml: Document, lines: LineCounter): BackupError {
  const issue = deepest(error.issues[0]);
  const unknown = issue?.code === "unrecognized_keys" ? issue.keys[0] : undefined;
  const keys = [...(issue?.path ?? []), ...(unknown === undefined ? [] : [unknown])];
  const line = lineOf(yaml, keys, lines);
  const what = unknown === undefined ? (issue?.message ?? "not understood") : "unknown key";
  const where = keys.length === 0 ? "" : ` at ${keys.map(String).join(".")}`;
  return new BackupError("invalid-input", `Cannot read configuration ${file}:${line}: ${what}${where}`, {
    cause: error,
    hint: keysHint,
  });
}

type Issue = z.core.$ZodIssue;

/** The issue inside the alternative that fits best, so that a misspelt key of a folder is named as such. */
function deepest(issue: Issue | undefined): Issue | undefined {
  if (issue?.code !== "invalid_union") return issue;
  const inner = issue.errors.flat().find((candidate) => candidate.code === "unrecognized_keys");
  return inner === undefined ? issue : { ...inner, path: [...issue.path, ...inner.path] };
}

/** The line of the innermost key that the file has: a missing one is reported where it is missed. */
function lineOf(yaml: Document, keys: readonly PropertyKey[], lines: LineCounter): number {
  let node: unknown = yaml.contents;
  let line = 1;
  for (const key of keys) {
    const found = child(node, key);
    if (found === undefined) break;
    line = lines.linePos(found.start).line;
    node = found.value;
  }
  return line;
}

function child(
  node: unknown,
  key: PropertyKey,
): { readonly start: number; readonly value: unknown } | undefined {
  if (isSeq(node)) {
    const item = node.items[Number(key)];
    return isNode(item) && item.range ? { start: item.range[0], value: item } : undefined;
  }
  if (!isMap(node)) return undefined;
  const pair = node.items.find((candidate) => isScalar(candidate.key) && candidate.key.value === key);
  return pair !== undefined && isScalar(pair.key) && pair.key.range
    ? { start: pair.key.range[0], value: pair.value }
    : undefined;
}

function firstLine(text: string): string {
  return text.split("\n", 1)[0] ?? text;
}
