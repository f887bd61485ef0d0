/**
 * Gathers for the guard what a run saw of its source.
 *
 * @module
 */

import type { Backup } from "../domain/backup.ts";
import { isBackupError } from "../domain/error.ts";
import type { SourceFacts } from "../domain/guard.ts";
import type { CapturedDatabase } from "./capture-databases.ts";
import type { OperationContext } from "./context.ts";
import type { StoredFolder } from "./store-folders.ts";

/** @param last The last trusted backup: what was empty in it already is nothing to worry about. */
export async function gatherFacts(
  context: OperationContext,
  seen: { readonly databases: readonly CapturedDatabase[]; readonly folders: readonly StoredFolder[] },
  last: Backup | undefined,
  signal: AbortSignal,
): Promise<SourceFacts> {
  const missing: string[] = [];
  const empty: string[] = [];
  for (const { database, image, refusal, empty: isEmpty } of seen.databases) {
    const display = `database ${database.path}`;
    if (image === undefined) missing.push(`${display} ${refusal}`);
    else if (isEmpty && databaseHadContent(last, database.name)) empty.push(display);
  }
  for (const { folder, refusal, files } of seen.folders) {
    const display = `folder ${folder.path}`;
    if (refusal !== "") missing.push(`${display} ${refusal}`);
    else if (files === 0 && (await folderHadContent(context, last, folder.name, signal))) empty.push(display);
  }
  const databases = seen.databases.flatMap(({ image }) =>
    image === undefined ? [] : [{ name: image.name, sizeBytes: image.sizeBytes }],
  );
  const paths = [
    ...seen.databases.map(({ database }) => database.path),
    ...seen.folders.map(({ folder }) => folder.path),
  ];
  return { missing, empty, databases, paths };
}

/** Nothing to compare with counts as content: an empty source is doubted once, until it is confirmed. */
function databaseHadContent(last: Backup | undefined, name: string): boolean {
  const before = last?.databases.find((database) => database.name === name);
  return before === undefined || before.sizeBytes > 0;
}

async function folderHadContent(
  context: OperationContext,
  last: Backup | undefined,
  name: string,
  signal: AbortSignal,
): Promise<boolean> {
  if (last === undefined || !last.roots.some((root) => root.name === name)) return true;
  if (last.counts.files + last.counts.symlinks === 0) return false;
  try {
    await using reader = await context.vault.open(last.id, signal);
    for await (const entry of reader.entries(signal)) {
      if (entry.root === name && entry.kind !== "directory") return true;
    }
    return false;
  } catch (error) {
    // A last backup that turns out unreadable must not cost this one; it makes the folder no less doubtful.
    if (isBackupError(error)) return true;
    throw error;
  }
}
