/**
 * Targets that turn out to be one place: under two names, of which one is a link or
 * leads through one. A database is put there once.
 *
 * @module
 */

import { createHash } from "node:crypto";
import type { BackupDatabase } from "../../domain/backup.ts";
import { type ByteString, byteStringFromText, byteStringToDisplay } from "../../domain/byte-string.ts";
import { BackupError } from "../../domain/error.ts";
import type { BackupReader } from "../../vault/vault.ts";
import type { PlacedTarget } from "./layout.ts";

export interface MergedTargets {
  readonly placed: readonly PlacedTarget[];
  readonly warnings: readonly string[];
}

/**
 * Leaves one of the databases that go to one file, where the backup holds the same for each.
 *
 * @throws {BackupError} `invalid-input` for databases that differ in the backup, and for folders
 */
export async function mergeTwins(
  targets: readonly PlacedTarget[],
  reader: Pick<BackupReader, "readDatabase">,
  signal: AbortSignal,
): Promise<MergedTargets> {
  const chosen = new Map<ByteString, PlacedTarget>();
  const warnings: string[] = [];
  // The one whose path is no link is the one that people mean.
  for (const placed of targets.toSorted((a, b) => Number(isLinked(a)) - Number(isLinked(b)))) {
    const other = chosen.get(placed.place.path);
    if (other === undefined) chosen.set(placed.place.path, placed);
    else if (await holdTheSame(other, placed, reader, signal)) warnings.push(onceOnly(other, placed));
    else throw twoInOne(other, placed);
  }
  const left = new Set(chosen.values());
  return { placed: targets.filter((placed) => left.has(placed)), warnings };
}

function isLinked({ target, place }: PlacedTarget): boolean {
  return byteStringFromText(target.path) !== place.path;
}

async function holdTheSame(
  { target: first }: PlacedTarget,
  { target: second }: PlacedTarget,
  reader: Pick<BackupReader, "readDatabase">,
  signal: AbortSignal,
): Promise<boolean> {
  if (first.kind !== "database" || second.kind !== "database") return false;
  if (first.database.sizeBytes !== second.database.sizeBytes) return false;
  const hashOf = async ({ name, sha256 }: BackupDatabase): Promise<string> => {
    if (sha256) return sha256;
    // A repository has none.
    const hash = createHash("sha256");
    for await (const chunk of reader.readDatabase(name, signal)) hash.update(chunk);
    return hash.digest("hex");
  };
  return (await hashOf(first.database)) === (await hashOf(second.database));
}

function onceOnly({ target: first, place }: PlacedTarget, { target: second }: PlacedTarget): string {
  const path = byteStringToDisplay(place.path);
  return `${first.name} and ${second.name} are one file, ${path}, and the same in the backup: it is restored once`;
}

function twoInOne({ target: first, place }: PlacedTarget, { target: second }: PlacedTarget): BackupError {
  const both = `${first.kind} ${first.name} and ${second.kind} ${second.name}`;
  const why = first.kind === "database" ? "They differ in the backup: choose" : "Choose";
  return new BackupError(
    "invalid-input",
    `Cannot restore ${both}: both are ${byteStringToDisplay(place.path)} now`,
    { hint: `${why} one of them with --include, or restore into another folder with --target.` },
  );
}
