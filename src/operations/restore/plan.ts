/**
 * Compares what a restore would bring with what is there. Looks at names and
 * attributes, reads no file and touches nothing.
 *
 * @module
 */

import { stat } from "node:fs/promises";
import { asByteString, byteStringToPath } from "../../domain/byte-string.ts";
import { compareEntryPaths, type Entry, type StoredEntry } from "../../domain/entry.ts";
import { compareTree, type TreeDifference } from "../../source/tree/compare-tree.ts";
import { displayEntryPath } from "../../source/tree/entry-path.ts";
import { realBytePath, walkFolder } from "../../source/folder/walk-folder.ts";
import { withSidecars } from "../../source/sidecar-names.ts";
import type { OperationContext } from "../context.ts";
import type { RestoreChange, RestorePlan, RestoreRequest, Started } from "../requests.ts";
import { describeUse } from "./in-use.ts";
import type { StagedTarget } from "./layout.ts";
import { type PreparedRestore, targetPlans } from "./prepare.ts";
import { bytesToWrite } from "./space.ts";

/** As many as people can read; all are counted. */
const changesShownMax = 1000;

/** Compares everything, target by target. */
export async function comparePrepared(
  context: OperationContext,
  prepared: PreparedRestore,
  request: Started<RestoreRequest>,
): Promise<RestorePlan> {
  const counts = new ChangeCounts(prepared.selection.partial);
  for (const staged of prepared.layout.staged) {
    if (staged.target.kind === "database") await compareDatabase(prepared, staged, counts);
    else await compareFolder(context, prepared, staged, counts, request.signal);
  }
  const { added, changed, unchanged, removed, newer, changes } = counts;
  const targets = targetPlans(prepared.layout);
  return {
    backup: prepared.backup,
    targets,
    safetyBackup: !context.vault.readOnly && targets.some(({ exists }) => exists),
    ...{ added, changed, unchanged, removed, newer, changes },
    bytesToWrite: bytesToWrite(prepared),
    warnings: [...prepared.warnings, ...damageWarnings(prepared), ...useWarnings(prepared)],
  };
}

/** The databases that a swap would take away from under whoever has them open. */
export function swappedDatabases({ layout }: PreparedRestore): readonly string[] {
  const live = new Set(layout.live.map(({ path }) => path));
  return layout.staged
    .filter(
      ({ target, place }) => target.kind === "database" && place.state !== "absent" && !live.has(target.path),
    )
    .map(({ target }) => target.path);
}

/** Named one by one are as many as people read before they agree; the restore names them all. */
const damagedShownMax = 5;

function damageWarnings({ damaged }: PreparedRestore): readonly string[] {
  const shown = damaged
    .slice(0, damagedShownMax)
    .map(({ path, message }) => `${path} is left out, because it is damaged: ${message}`);
  const more = damaged.length - shown.length;
  return more > 0 ? [...shown, `${more} more that are damaged are left out`] : shown;
}

function useWarnings(prepared: PreparedRestore): readonly string[] {
  return swappedDatabases(prepared).flatMap((path) => describeUse(path)?.message ?? []);
}

async function compareDatabase(
  { backup }: PreparedRestore,
  { target, place }: StagedTarget,
  counts: ChangeCounts,
): Promise<void> {
  if (place.state === "absent") {
    counts.count(target.path, "add", false);
    return;
  }
  const { mtimeMs } = await stat(byteStringToPath(place.path));
  // In WAL mode what is newer may be in the -wal only.
  const wal = await stat(`${target.path}-wal`).catch(() => undefined);
  counts.count(target.path, "change", Math.max(mtimeMs, wal?.mtimeMs ?? 0) > backup.startedAtMs);
}

async function compareFolder(
  context: OperationContext,
  prepared: PreparedRestore,
  staged: StagedTarget,
  counts: ChangeCounts,
  signal: AbortSignal,
): Promise<void> {
  const { target, place } = staged;
  const skip = new Set([
    ...context.ownDirectories.map(realBytePath),
    ...prepared.keep,
    ...prepared.layout.staged
      .filter((other) => other.insideOf === staged)
      .flatMap((other) => withSidecars(other.place.path)),
  ]);
  const walk =
    place.state === "absent"
      ? nothing()
      : walkFolder(
          {
            root: { name: target.name, path: target.path },
            ...{ excludes: [], oneFileSystem: false, excludeCaches: false, skip },
          },
          () => undefined,
          signal,
        );
  const stored = storedEntries(prepared, staged, signal);
  for await (const difference of compareTree(stored, walk, prepared.backup.startedAtMs, signal)) {
    counts.add(difference, displayEntryPath(target.path, difference.path));
  }
}

async function* nothing(): AsyncGenerator<readonly Entry[]> {}

/** The selected entries of one folder, in order. */
async function* storedEntries(
  { reader, selection, backup, layout }: PreparedRestore,
  staged: StagedTarget,
  signal: AbortSignal,
): AsyncGenerator<StoredEntry> {
  const inside = layout.staged
    .filter((other) => other.insideOf === staged)
    .map((other) => asByteString(other.place.path.slice(staged.place.path.length + 1)));
  const wanted = (entry: StoredEntry): boolean =>
    entry.root === staged.target.name &&
    selection.selects(entry) &&
    !inside.some((path) => entry.path === path || entry.path.startsWith(`${path}/`));
  // Archives of other programs come in any order.
  const foreign: StoredEntry[] = [];
  for await (const entry of reader.entries(signal)) {
    if (!wanted(entry)) continue;
    if (backup.state === "unverified") foreign.push(entry);
    else yield entry;
  }
  yield* foreign.sort((a, b) => compareEntryPaths(a.path, b.path));
}

class ChangeCounts {
  added = 0;
  changed = 0;
  unchanged = 0;
  removed = 0;
  newer = 0;
  readonly changes: RestoreChange[] = [];
  readonly #partial: boolean;

  constructor(partial: boolean) {
    this.#partial = partial;
  }

  /** Directories are not counted: they come and go with what is in them. */
  add({ change, kind, newer }: TreeDifference, path: string): void {
    if (kind === "directory" || (change === "remove" && this.#partial)) return;
    if (change === "none") this.unchanged++;
    else this.count(path, change, newer);
  }

  count(path: string, change: RestoreChange["change"], newer: boolean): void {
    if (change === "add") this.added++;
    else if (change === "change") this.changed++;
    else this.removed++;
    if (newer) this.newer++;
    if (this.changes.length < changesShownMax) this.changes.push({ path, change, newer });
  }
}
