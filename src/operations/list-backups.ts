/**
 * `list`: the backups of a vault, filtered.
 *
 * @module
 */

import type { Backup } from "../domain/backup.ts";
import type { OperationContext } from "./context.ts";
import type { ListRequest, Started } from "./requests.ts";

/** Newest first by the time in the metadata. */
export async function listBackups(
  context: OperationContext,
  request: Started<ListRequest>,
): Promise<readonly Backup[]> {
  const backups = await context.vault.list(request.signal);
  return backups.filter((backup) => isWanted(backup, request));
}

function isWanted(backup: Backup, { source, type, tag, sinceMs, untilMs }: ListRequest): boolean {
  return (
    (source === undefined || backup.source === source) &&
    (type === undefined || backup.type === type) &&
    (tag === undefined || backup.tags.includes(tag)) &&
    (sinceMs === undefined || backup.startedAtMs >= sinceMs) &&
    (untilMs === undefined || backup.startedAtMs <= untilMs)
  );
}
