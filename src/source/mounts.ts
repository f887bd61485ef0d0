/**
 * What is mounted where, as far as this process sees it: a mount point cannot be
 * renamed, and what is mounted inside a folder is not moved with it.
 * Format of the table: proc_pid_mountinfo(5).
 *
 * @module
 */

import { readFileSync, statSync } from "node:fs";
import { asByteString, type ByteString, byteStringToPath } from "../domain/byte-string.ts";
import { shortPath } from "./tree/short-path.ts";

export interface Mount {
  /** Absolute path where it is mounted. */
  readonly mountPoint: ByteString;
  /** Major and minor number, as `8:1`. */
  readonly device: string;
  /** Path inside its file system that appears there; not "/" for bind mounts. */
  readonly root: ByteString;
  /** `ext4`, `tmpfs` and so on. */
  readonly type: string;
  readonly readOnly: boolean;
}

/** The mounts this process sees, in the order they were made; none where the system has no such table. */
export function loadMounts(tablePath = "/proc/self/mountinfo"): readonly Mount[] {
  try {
    return parseMounts(readFileSync(tablePath, "latin1"));
  } catch {
    return [];
  }
}

/** Parses the table; lines that make no sense are left out. */
export function parseMounts(table: string): readonly Mount[] {
  return table.split("\n").flatMap((line) => {
    const [own, superBlock] = line.split(" - ");
    const [, , device, root, mountPoint, options] = (own ?? "").split(" ");
    const [type, , superOptions] = (superBlock ?? "").split(" ");
    if (device === undefined || root === undefined || mountPoint === undefined || type === undefined)
      return [];
    const readOnly = [options, superOptions].some((list) => list?.split(",").includes("ro"));
    return [{ mountPoint: unescapeField(mountPoint), device, root: unescapeField(root), type, readOnly }];
  });
}

/** Space, tab, newline and backslash are written as three octal digits. */
function unescapeField(field: string): ByteString {
  const text = field.replace(/\\([0-3][0-7]{2})/g, (_, octal) =>
    String.fromCharCode(Number.parseInt(octal, 8)),
  );
  return asByteString(text);
}

/** Tells whether something is mounted exactly at this real absolute path. */
export function isMountPoint(mounts: readonly Mount[], path: ByteString): boolean {
  return mounts.some((mount) => mount.mountPoint === path);
}

/** The mounts inside a folder at this real absolute path, not counting one at the folder itself. */
export function mountsBelow(mounts: readonly Mount[], path: ByteString): readonly Mount[] {
  const prefix = path === "/" ? "/" : `${path}/`;
  return mounts.filter((mount) => mount.mountPoint.startsWith(prefix) && mount.mountPoint !== path);
}

/** The mount a real absolute path lies on. Of several at one place the last one counts: it covers the others. */
export function mountOf(mounts: readonly Mount[], path: ByteString): Mount | undefined {
  let best: Mount | undefined;
  for (const mount of mounts) {
    const { mountPoint } = mount;
    const holds = path === mountPoint || path.startsWith(mountPoint === "/" ? "/" : `${mountPoint}/`);
    if (holds && mountPoint.length >= (best?.mountPoint.length ?? 0)) best = mount;
  }
  return best;
}

/** The number of the device a path lies on, or undefined where there is nothing. Renames work within one mount of one device only. */
export function deviceOf(path: ByteString): bigint | undefined {
  using short = shortPath(path);
  return statSync(byteStringToPath(short.path), { bigint: true, throwIfNoEntry: false })?.dev;
}
