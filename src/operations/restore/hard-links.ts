/**
 * What becomes of the further names (hard links) of databases that are replaced.
 *
 * @module
 */

import { lstat } from "node:fs/promises";
import { byteStringToPath } from "../../domain/byte-string.ts";
import type { PlacedTarget } from "./layout.ts";

/**
 * A database file with further names is replaced under those only that are restored; the
 * others keep what is there now, and those that are restored become a file each.
 *
 * @param live Are databases that exist written through SQLite? They stay the same file then.
 */
export async function hardLinkWarnings(
  placed: readonly PlacedTarget[],
  live: boolean,
): Promise<readonly string[]> {
  if (live) return [];
  const linked = new Map<string, { readonly nlink: number; readonly paths: string[] }>();
  for (const { target, place } of placed) {
    if (target.kind !== "database" || place.state !== "file") continue;
    // What was there a moment ago and is gone is none of it any more.
    const stats = await lstat(byteStringToPath(place.path), { bigint: true }).catch(() => undefined);
    if (stats === undefined || stats.nlink <= 1n) continue;
    const file = `${stats.dev}:${stats.ino}`;
    const known = linked.get(file);
    if (known === undefined) linked.set(file, { nlink: Number(stats.nlink), paths: [target.path] });
    else known.paths.push(target.path);
  }
  return [...linked.values()].map(({ nlink, paths }) => warningFor(paths, nlink - paths.length));
}

function warningFor(paths: readonly string[], others: number): string {
  const one = paths.length === 1;
  const names = paths.join(" and ");
  if (others <= 0) return `${names} are one file now (hard links), and become a file each`;
  const further = others === 1 ? "one further name" : `${others} further names`;
  const verb = one ? "has" : "have";
  const only = one ? "only this name gets" : "only these names get";
  return `${names} ${verb} ${further} (hard links), which keep the present content: ${only} the restored database`;
}
