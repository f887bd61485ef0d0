/**
 * Says in fewer bytes where something is whose path is longer than the kernel
 * takes: relative to a directory on the way to it that is held open. What a
 * restore builds and keeps lies under longer names than what it replaces, which
 * may be as deep as paths go.
 *
 * @module
 */

import { closeSync, constants, existsSync, openSync } from "node:fs";
import { asByteString, type ByteString, byteStringToPath } from "../../domain/byte-string.ts";

export interface ShortPath extends Disposable {
  /** Leads to the same place until disposal. */
  readonly path: ByteString;
}

/** PATH_MAX of linux/limits.h without the NUL it counts. */
export const pathBytesMax = 4095;

/** Bytes of a path that are gone to at a time: a name fits many times into what is left. */
const stepBytes = 3000;

/** O_PATH of asm-generic/fcntl.h: only searching has to be allowed in what is passed through. */
const openFlags = constants.O_DIRECTORY | 0o10000000;

/** Where a process finds its open files by name; undefined on systems without. */
const ownFiles = existsSync("/proc/self/fd") ? "/proc/self/fd" : undefined;

function holdsNothing(): void {}

/**
 * An absolute path that the kernel takes. It is the same one wherever that is short enough,
 * and where a system has no such thing.
 *
 * @throws the system's errors for a directory on the way that is not there or is closed to this user
 */
export function shortPath(path: ByteString): ShortPath {
  if (path.length <= pathBytesMax || ownFiles === undefined) return { path, [Symbol.dispose]: holdsNothing };
  let rest = path;
  let held: ShortPath | undefined;
  while (rest.length > stepBytes) {
    const end = rest.lastIndexOf("/", stepBytes);
    // No name is that long: let the kernel say so.
    if (end <= 0) break;
    const step = rest.slice(0, end);
    using passed = held;
    const next = holdDirectory(asByteString(passed === undefined ? step : `${passed.path}/${step}`));
    held = next;
    rest = asByteString(rest.slice(end + 1));
  }
  if (held === undefined) return { path, [Symbol.dispose]: holdsNothing };
  const { path: directory, [Symbol.dispose]: close } = held;
  return { path: asByteString(`${directory}/${rest}`), [Symbol.dispose]: close };
}

/**
 * A directory under a name of a few bytes, whatever its own path is, so that even what lies far below
 * can be named. The plain path where a system has no such thing.
 *
 * @param path Short enough for the kernel
 * @param flags Of open(2), besides those this takes: O_NOFOLLOW where a link is not to be followed
 */
export function holdDirectory(path: ByteString, flags = 0): ShortPath {
  if (ownFiles === undefined) return { path, [Symbol.dispose]: holdsNothing };
  const descriptor = openSync(byteStringToPath(path), openFlags | flags);
  return {
    path: asByteString(`${ownFiles}/${descriptor}`),
    [Symbol.dispose]: () => closeSync(descriptor),
  };
}

/** Does something with a path however long it is. */
export async function withShortPath<T>(
  path: ByteString,
  work: (path: string | Buffer) => Promise<T>,
): Promise<T> {
  using short = shortPath(path);
  return await work(byteStringToPath(short.path));
}
