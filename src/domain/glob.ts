/**
 * Glob patterns for finding names: what people type after `find`. Pure, and
 * without the backtracking by which a hostile name could make them slow.
 *
 * @module
 */

import { BackupError } from "./error.ts";

/** Longer than any path; keeps the compiled pattern small. */
const patternCharactersMax = 4096;

/** A pattern that was understood. */
export interface Glob {
  /** Held against last components at any depth instead of whole paths. */
  readonly namesOnly: boolean;
  /** It ended in "/". */
  readonly foldersOnly: boolean;
  /** It began with "/". */
  readonly anchored: boolean;
  /** Paths are given without a leading or trailing "/". */
  matches(path: string): boolean;
}

/**
 * Understands `*` and `?` (not "/"), `**` as a whole component (any number of them), `[a-z]`, `[!a-z]`
 * and `\` before a character that is meant as it stands.
 *
 * @throws {BackupError} `invalid-input` for an empty or endless pattern, or a bracket that is not closed
 */
export function parseGlob(pattern: string, ignoreCase = false): Glob {
  const bare = pattern.replace(/^\/+/, "").replace(/(?<!\\)\/+$/, "");
  if (bare === "" || pattern.length > patternCharactersMax) {
    throw new BackupError("invalid-input", `Cannot use pattern "${pattern.slice(0, 80)}": it has no name`, {
      hint: "Write for example '*.jpg', 'uploads/2024/**' or app.db.",
    });
  }
  const anchored = pattern.startsWith("/");
  const namesOnly = !anchored && !bare.includes("/");
  const components = componentsOf(bare, pattern, ignoreCase);
  return {
    namesOnly,
    anchored,
    foldersOnly: bare.length < pattern.replace(/^\/+/, "").length,
    matches: (path) =>
      matchSequence(components, namesOnly ? [path.slice(path.lastIndexOf("/") + 1)] : path.split("/")),
  };
}

/** What one item must be; `any` stands for any number of items, none included. */
type Wanted<T> = ((item: T) => boolean) | "any";

function componentsOf(bare: string, pattern: string, ignoreCase: boolean): readonly Wanted<string>[] {
  const components = bare
    .split("/")
    .map((text): Wanted<string> => (text === "**" ? "any" : componentOf(text, pattern, ignoreCase)));
  // What is in a folder is not the folder itself.
  if (components.length > 1 && components.at(-1) === "any") components.push((name) => name !== "");
  return components;
}

function componentOf(text: string, pattern: string, ignoreCase: boolean): (name: string) => boolean {
  const fold = (piece: string): string => (ignoreCase ? piece.toLowerCase() : piece);
  if (!/[*?[\\]/.test(text)) return (name) => fold(name) === fold(text);
  const wanted: Wanted<string>[] = [];
  for (let at = 0; at < text.length; ) {
    const [character, length] = characterAt(text, at, { pattern, fold });
    wanted.push(character);
    at += length;
  }
  return (name) => matchSequence(wanted, Array.from(name));
}

interface Reading {
  readonly pattern: string;
  readonly fold: (text: string) => string;
}

/** What is wanted of the next character, and how much of the pattern says so. */
function characterAt(text: string, at: number, reading: Reading): readonly [Wanted<string>, number] {
  const character = String.fromCodePoint(text.codePointAt(at)!);
  if (character === "*") return ["any", 1];
  if (character === "?") return [() => true, 1];
  if (character === "[") return classAt(text, at, reading);
  const escaped = character === "\\" && at + 1 < text.length;
  const meant = escaped ? String.fromCodePoint(text.codePointAt(at + 1)!) : character;
  const wanted = reading.fold(meant);
  return [(item) => reading.fold(item) === wanted, meant.length + (escaped ? 1 : 0)];
}

/** `[a-z_]` or `[!a-z_]`; a "]" that comes first is a member. */
function classAt(
  text: string,
  at: number,
  { pattern, fold }: Reading,
): readonly [(item: string) => boolean, number] {
  const match = /^\[([!^]?)(\]?[^\]]*)\]/u.exec(text.slice(at));
  const [whole = "", negated = "", members = ""] = match ?? [];
  if (match === null) throw unclosed(pattern);
  const ranges = Array.from(members.matchAll(/(.)-(.)|(.)/gsu), ([, low, high, one]) =>
    [low ?? one!, high ?? one!].map((end) => fold(end).codePointAt(0)!),
  );
  const isMember = (item: string): boolean => {
    const code = fold(item).codePointAt(0)!;
    return ranges.some(([low = 0, high = 0]) => low <= code && code <= high);
  };
  return [(item) => isMember(item) === (negated === ""), whole.length];
}

function unclosed(pattern: string): BackupError {
  return new BackupError("invalid-input", `Cannot use pattern "${pattern}": a [ is not closed`, {
    hint: "Write \\[ for the character itself.",
  });
}

/** Greedy with one way back, to the last `any`: steps are at most the product of both lengths. */
function matchSequence<T>(wanted: readonly Wanted<T>[], items: readonly T[]): boolean {
  let [at, item, retryAt, retryItem] = [0, 0, -1, 0];
  while (item < items.length) {
    const next = wanted[at];
    if (next === "any") {
      [retryAt, retryItem] = [++at, item];
    } else if (next?.(items[item]!) === true) {
      at++;
      item++;
    } else if (retryAt >= 0) {
      at = retryAt;
      item = ++retryItem;
    } else return false;
  }
  while (wanted[at] === "any") at++;
  return at === wanted.length;
}
