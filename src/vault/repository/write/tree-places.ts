/**
 * Decides where roots and declared databases lie in a backup's tree: at their own
 * absolute paths, as restic would put them, and where that cannot be, in a folder of
 * ours. Pure.
 *
 * @module
 */

import type { EntryRoot } from "../../../domain/entry.ts";
import { type ManifestRoot, ownFolderName } from "../../../format/restic/manifest.ts";

/** The components of an absolute path, or undefined where it cannot be a path in a tree. */
export function treeComponents(path: string): readonly string[] | undefined {
  if (!path.startsWith("/") || path.includes("\0")) return undefined;
  const components = path.split("/").filter((component) => component !== "");
  const isUsable =
    components.length > 0 &&
    components[0] !== ownFolderName &&
    components.every((one) => !/^\.\.?$/.test(one));
  return isUsable ? components : undefined;
}

/** A root inside another, or with a path that is none, gets a folder of ours. */
export function placeRoots(roots: readonly EntryRoot[]): readonly ManifestRoot[] {
  const placed: string[] = [];
  const taken = new Set<string>();
  return roots.map(({ name, path }) => {
    const components = treeComponents(path);
    const own = components && `/${components.join("/")}`;
    if (own !== undefined && !placed.some((other) => overlaps(own, other))) {
      placed.push(own);
      return { name, path, treePath: own };
    }
    return { name, path, treePath: ownPath("roots", name, taken) };
  });
}

/** A path below the folder of ours that is not in `taken`, to which it is added. */
export function ownPath(kind: "roots" | "databases", name: string, taken: Set<string>): string {
  const safe = name.replace(/[/\0]/g, "_").replace(/^\.{0,2}$/, "_");
  let path = `/${ownFolderName}/${kind}/${safe}`;
  for (let n = 2; taken.has(path); n++) path = `/${ownFolderName}/${kind}/${safe}-${n}`;
  taken.add(path);
  return path;
}

function overlaps(a: string, b: string): boolean {
  return a === b || a.startsWith(`${b}/`) || b.startsWith(`${a}/`);
}
