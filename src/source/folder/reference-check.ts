/**
 * Looks up in the backup every file that a row of the captured database names.
 * References are collected right after the capture, before the walk; then entries
 * tick them off as they pass; what is left at the end is reported, and files
 * deleted during the run are told from files that were never there.
 *
 * @module
 */

import { lstatSync, realpathSync, type Stats } from "node:fs";
import { fileURLToPath } from "node:url";
import type { Problem } from "../../domain/backup.ts";
import {
  asByteString,
  type ByteString,
  byteStringFromText,
  byteStringToDisplay,
  byteStringToPath,
} from "../../domain/byte-string.ts";
import type { Entry, EntryRoot } from "../../domain/entry.ts";
import { Breather } from "./breather.ts";
import { displayEntryPath, entryName, parentEntryPath } from "../tree/entry-path.ts";
import { type ReportProblem, realBytePath } from "./walk-folder.ts";

/** What one configured reference says: values of this column are files, relative to `base`. */
export interface ReferenceColumn {
  /** Absolute folder that relative values are meant from. */
  readonly base: string;
  /** For people: database, table and column. */
  readonly label: string;
}

/** Distinct files looked up in one backup: about 60 MB of paths. What goes beyond is said, not silently dropped. */
const referencesMax = 500_000;

/** Real folders remembered, so that each is resolved once and not for each file in it. */
const foldersRemembered = 10_000;

/** PATH_MAX of Linux; what is longer is no path. */
const pathBytesMax = 4095;

/** Addresses of something elsewhere. A colon alone is no sign: file names may hold one. */
const elsewhere = /^(?:[a-z][a-z0-9+.-]*:\/\/|(?:data|blob|mailto|tel|urn|about|javascript):)/i;

/** What is in the display of a name that shows otherwise than it is. */
const escapeSign = "\\x";

interface Expected {
  readonly label: string;
  /** Absolute path of the file, where it really lies. */
  readonly realPath: ByteString;
  seen: boolean;
  reported: boolean;
}

interface ProtectedRoot {
  readonly name: string;
  readonly realPath: ByteString;
}

/**
 * The references of one backup. Call {@link collect} for every column before the walk,
 * {@link see} for every entry and {@link noteProblem} for every problem during it and until
 * the backup is stored, and {@link finish} once after the walk.
 */
export class ReferenceCheck {
  readonly #roots: readonly ProtectedRoot[];
  readonly #report: ReportProblem;
  readonly #breather = new Breather();
  /** Root name -> path inside it -> what is expected there. */
  readonly #expected = new Map<string, Map<ByteString, Expected>>();
  readonly #reported = new Set<ByteString>();
  readonly #realFolders = new Map<ByteString, ByteString | undefined>();
  /** Display paths of files met in the walk that could not be stored after all. */
  readonly #lost = new Map<string, Problem["kind"]>();
  #count = 0;
  #overflow = 0;
  #finished = false;

  constructor(roots: readonly EntryRoot[], report: ReportProblem) {
    this.#report = report;
    this.#roots = roots.map(({ name, path }) => ({ name, realPath: realBytePath(path) }));
    for (const root of roots) this.#expected.set(root.name, new Map());
  }

  /**
   * Takes the values of one column. Empty ones and addresses of other places are ignored.
   * What is not there now, or not inside any protected folder, is reported at once.
   */
  async collect(column: ReferenceColumn, values: AsyncIterable<string>, signal: AbortSignal): Promise<void> {
    const base = byteStringFromText(column.base);
    for await (const value of values) {
      signal.throwIfAborted();
      if (this.#breather.isDue()) await this.#breather.breathe(signal);
      const path = referencedPath(value, base);
      if (path !== undefined) this.#expect(path, column.label);
    }
  }

  /** Ticks off the file an entry stands for. */
  see(entry: Entry): void {
    if (this.#count === 0) return;
    const expected = this.#expected.get(entry.root)?.get(entry.path);
    if (expected !== undefined) expected.seen = true;
  }

  /**
   * Takes back the tick of a file that was met but turned out unreadable or gone. Writers read
   * files well after they were walked, so this may come after {@link finish}; then it is reported at once.
   */
  noteProblem({ kind, path }: Problem): void {
    if (this.#count === 0 || (kind !== "vanished" && kind !== "unreadable")) return;
    this.#lost.set(path, kind);
    const expected = this.#finished ? this.#expectedAt(path) : undefined;
    if (expected !== undefined) this.#reportAbsent(path, expected, kind);
  }

  /** By the path a problem shows. Names that look different there have to be searched for, and are rare. */
  #expectedAt(display: string): Expected | undefined {
    for (const [root, expectedInRoot] of this.#expected) {
      if (!display.startsWith(`${root}/`)) continue;
      const found = expectedInRoot.get(byteStringFromText(display.slice(root.length + 1)));
      if (found !== undefined || !display.includes(escapeSign)) return found;
      for (const [candidate, expected] of expectedInRoot) {
        if (displayEntryPath(root, candidate) === display) return expected;
      }
    }
    return undefined;
  }

  /** Reports every reference whose file is not in the backup, as far as it is known by now. */
  async finish(signal: AbortSignal): Promise<void> {
    this.#finished = true;
    for (const [root, expectedInRoot] of this.#expected) {
      for (const [path, expected] of expectedInRoot) {
        if (this.#breather.isDue()) await this.#breather.breathe(signal);
        const display = expected.seen && this.#lost.size === 0 ? "" : displayEntryPath(root, path);
        const lost = this.#lost.get(display);
        if (!expected.seen || lost !== undefined) this.#reportAbsent(display, expected, lost);
      }
    }
    if (this.#overflow > 0) {
      const message = `${this.#overflow} references beyond the first ${referencesMax} were not looked up`;
      this.#report({ kind: "reference-missing", path: "(references)", message });
    }
  }

  #reportAbsent(path: string, expected: Expected, lost: Problem["kind"] | undefined): void {
    if (expected.reported) return;
    expected.reported = true;
    const { label, realPath } = expected;
    if (lost === "vanished" || fileStats(realPath) === undefined) {
      this.#report({
        kind: "reference-deleted",
        path,
        message: `Named by ${label}; deleted during the backup`,
      });
      return;
    }
    const why = lost === "unreadable" ? "it cannot be read" : "the backup leaves it out";
    this.#report({ kind: "reference-missing", path, message: `Named by ${label}; it is there, but ${why}` });
  }

  #expect(path: ByteString, label: string): void {
    const found = path.length > pathBytesMax ? undefined : this.#locate(path);
    if (found === undefined) {
      this.#reportOnce(path, `Named by ${label}; there is no such file`);
      return;
    }
    const root = this.#rootOf(found);
    if (root === undefined) {
      this.#reportOnce(path, `Named by ${label}; it lies outside the protected folders`);
      return;
    }
    const inRoot = asByteString(found.slice(root.realPath === "/" ? 1 : root.realPath.length + 1));
    const expectedInRoot = this.#expected.get(root.name);
    if (expectedInRoot === undefined || expectedInRoot.has(inRoot)) return;
    if (this.#count >= referencesMax) {
      this.#overflow++;
      return;
    }
    this.#count++;
    expectedInRoot.set(inRoot, { label, realPath: found, seen: false, reported: false });
  }

  /** Where the file really lies, all links followed as the application would; undefined where there is none. */
  #locate(path: ByteString): ByteString | undefined {
    const folder = this.#realFolder(asByteString(parentEntryPath(path) || "/"));
    if (folder === undefined) return undefined;
    const name = entryName(path);
    const inFolder = asByteString(folder === "/" ? `/${name}` : `${folder}/${name}`);
    const stats = fileStats(inFolder);
    return stats?.isSymbolicLink() ? realPathOf(inFolder) : stats && inFolder;
  }

  #realFolder(folder: ByteString): ByteString | undefined {
    const known = this.#realFolders.get(folder);
    if (known !== undefined || this.#realFolders.has(folder)) return known;
    if (this.#realFolders.size >= foldersRemembered) this.#realFolders.clear();
    const real = realPathOf(folder);
    this.#realFolders.set(folder, real);
    return real;
  }

  /** Of roots inside each other, the innermost. */
  #rootOf(path: ByteString): ProtectedRoot | undefined {
    const holding = this.#roots.filter(
      ({ realPath }) => path === realPath || path.startsWith(realPath === "/" ? "/" : `${realPath}/`),
    );
    return holding.sort((a, b) => b.realPath.length - a.realPath.length)[0];
  }

  #reportOnce(path: ByteString, message: string): void {
    const short = asByteString(path.slice(0, pathBytesMax));
    if (this.#reported.has(short)) return;
    if (this.#reported.size < referencesMax) this.#reported.add(short);
    this.#report({ kind: "reference-missing", path: byteStringToDisplay(short), message });
  }
}

/**
 * The absolute path a value means, with "." and ".." resolved by the text, or undefined
 * for values that name no file here: empty ones and addresses. Pure.
 */
export function referencedPath(value: string, base: ByteString): ByteString | undefined {
  const text = value.trim();
  if (text === "") return undefined;
  if (text.startsWith("file://")) return pathFromUrl(text);
  if (elsewhere.test(text)) return undefined;
  const path = byteStringFromText(value);
  return normalized(asByteString(path.startsWith("/") ? path : `${base}/${path}`));
}

function pathFromUrl(url: string): ByteString | undefined {
  try {
    return normalized(byteStringFromText(fileURLToPath(url)));
  } catch {
    return undefined;
  }
}

function normalized(path: ByteString): ByteString {
  const kept: string[] = [];
  for (const component of path.split("/")) {
    if (component === "..") kept.pop();
    else if (component !== "" && component !== ".") kept.push(component);
  }
  return asByteString(`/${kept.join("/")}`);
}

/** Any failure counts as absent: what cannot be looked at is not in the backup either. */
function fileStats(path: ByteString): Stats | undefined {
  try {
    return lstatSync(byteStringToPath(path), { throwIfNoEntry: false });
  } catch {
    return undefined;
  }
}

function realPathOf(path: ByteString): ByteString | undefined {
  try {
    return asByteString(realpathSync(byteStringToPath(path), { encoding: "buffer" }).toString("latin1"));
  } catch {
    return undefined;
  }
}
