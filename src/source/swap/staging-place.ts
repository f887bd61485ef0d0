/**
 * Where a target really is: links resolved, and for one that is absent the first
 * folder above it that exists, because that is where it has to be built.
 *
 * @module
 */

import { lstat, readlink, realpath, stat } from "node:fs/promises";
import { basename, dirname, resolve } from "node:path";
import { asByteString, type ByteString, byteStringFromText } from "../../domain/byte-string.ts";
import { BackupError } from "../../domain/error.ts";
import { absolutePath } from "../tree/entry-path.ts";

export interface TargetPlace {
  /** Absolute, without any link in it. */
  readonly path: ByteString;
  readonly state: "absent" | "file" | "directory" | "special";
  /** The deepest directory above that exists. */
  readonly parent: ByteString;
  /** The name in `parent` that leads to the target: its own, or that of the first folder that has to be made. */
  readonly name: ByteString;
}

/** As many links in a row as Linux follows, path_resolution(7). */
const linksMax = 40;

/**
 * Looks up where `path` really is. A link that leads nowhere is followed as far as it goes:
 * what it names is what will be made.
 *
 * @throws {BackupError} `unsafe` for links that go in a circle
 */
export function resolvePlace(path: string): Promise<TargetPlace> {
  return resolveFurther(path, linksMax);
}

async function resolveFurther(path: string, linksLeft: number): Promise<TargetPlace> {
  const found = await realOrAbsent(path);
  if (found !== undefined) {
    const parent = asByteString(dirname(found));
    return { path: found, state: await stateOf(path), parent, name: asByteString(basename(found)) };
  }
  const link = await readlink(path).catch(() => undefined);
  if (link !== undefined) {
    if (linksLeft === 0)
      throw new BackupError("unsafe", `Cannot restore to ${path}: its links go in a circle`);
    return resolveFurther(resolve(dirname(path), link), linksLeft - 1);
  }
  const above = await resolveFurther(dirname(path), linksLeft);
  const name = byteStringFromText(basename(path));
  const real = absolutePath(above.path, name);
  if (above.state === "absent") return { ...above, path: real };
  if (above.state === "directory") return { path: real, state: "absent", parent: above.path, name };
  throw new BackupError("invalid-input", `Cannot restore to ${path}: ${dirname(path)} is not a folder`);
}

async function realOrAbsent(path: string): Promise<ByteString | undefined> {
  try {
    return asByteString((await realpath(path, { encoding: "buffer" })).toString("latin1"));
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOENT" || code === "ENOTDIR") return undefined;
    if (code === "ELOOP")
      return (await lstat(path).catch(() => undefined)) === undefined ? undefined : circle(path, error);
    throw error;
  }
}

function circle(path: string, cause: unknown): never {
  throw new BackupError("unsafe", `Cannot restore to ${path}: its links go in a circle`, { cause });
}

async function stateOf(path: string): Promise<"file" | "directory" | "special"> {
  const stats = await stat(path);
  if (stats.isFile()) return "file";
  return stats.isDirectory() ? "directory" : "special";
}
