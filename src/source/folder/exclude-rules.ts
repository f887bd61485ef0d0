/**
 * gitignore-style patterns over the paths of one root: what a backup leaves out,
 * what a restore takes in, which files are never looked at as databases.
 *
 * @module
 */

import ignore, { type Ignore } from "ignore";
import { type ByteString, byteStringToUtf8, unescapePattern } from "../../domain/byte-string.ts";
import { BackupError } from "../../domain/error.ts";

/** Tells whether a path is matched. Directories are asked about before what is in them. */
export type PathRules = (path: ByteString, isDirectory: boolean) => boolean;

/** The matcher remembers every path it was asked about; it is replaced after this many (about 20 MB). */
const remembersPathsMax = 50_000;

/**
 * Rules for these patterns, or undefined if there are none to look at.
 *
 * Patterns mean what they mean in a `.gitignore` at the root: case counts, a trailing "/"
 * matches directories only, the last match wins, "!" takes back, and what lies in a matched
 * directory is matched. Names that are not UTF-8 are matched as if their bytes were Latin-1; `\xNN` and
 * `\u{NNNN}`, as lists show what cannot be seen, are understood.
 *
 * @throws {BackupError} `invalid-input` for a pattern that cannot be understood
 */
export function pathRules(patterns: readonly string[]): PathRules | undefined {
  if (!patterns.some((pattern) => pattern.trim() !== "" && !pattern.startsWith("#"))) return undefined;
  let matcher = newMatcher(patterns);
  let asked = 0;
  return (path, isDirectory) => {
    if (path === "") return false;
    if (++asked % remembersPathsMax === 0) matcher = newMatcher(patterns);
    const text = byteStringToUtf8(path) ?? path;
    return matcher.ignores(isDirectory ? `${text}/` : text);
  };
}

/** In brackets at its end, where the library takes white space for a slip: of Icon\x0d it would make Icon. */
function unescaped(pattern: string): string {
  const plain = unescapePattern(pattern);
  const isMeant = /\s$/.test(plain) && !/\s$/.test(pattern);
  return isMeant ? `${plain.slice(0, -1)}[${plain.slice(-1)}]` : plain;
}

function newMatcher(patterns: readonly string[]): Ignore {
  try {
    // Paths come from the walk, never from people: names such as "..." are fine.
    return ignore({ ignoreCase: false, allowRelativePaths: true }).add(patterns.map(unescaped));
  } catch (cause) {
    throw notUnderstood(patterns, cause);
  }
}

function notUnderstood(patterns: readonly string[], cause: unknown): BackupError {
  const message = `Cannot use patterns ${patterns.join(", ")}: not understood`;
  return new BackupError("invalid-input", message, { cause });
}
