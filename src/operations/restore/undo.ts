/**
 * `restore --undo` and `--discard`: what a restore replaced is kept beside the
 * targets until one of them is asked for.
 *
 * @module
 */

import { mkdir, stat } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import {
  asByteString,
  type ByteString,
  byteStringFromText,
  byteStringToDisplay,
  byteStringToUtf8,
} from "../../domain/byte-string.ts";
import { BackupError } from "../../domain/error.ts";
import { absolutePath } from "../../source/tree/entry-path.ts";
import {
  journalTargets,
  type LiveTarget,
  type RestoreJournal,
  type SwapArea,
  type SwapSlot,
} from "../../source/swap/restore-journal.ts";
import type { RestoreJournalStore } from "../../source/swap/restore-journal-store.ts";
import { stagingName } from "../../source/swap/staging-names.ts";
import { realDisk } from "../../source/swap/swap-disk.ts";
import { deleteMarked, mark } from "../../source/swap/kept-states.ts";
import { carryOut } from "../../source/swap/swap-recovery.ts";
import type { OperationContext } from "../context.ts";
import type { KeptRestore, RunOptions, Started, UndoResult } from "../requests.ts";
import { RunLog } from "../run-log.ts";
import { claimTargets, newRestoreId, nothingKept, refuseOverlap } from "./claim.ts";
import { refuseInUse } from "./in-use.ts";
import { extractDatabase } from "./live.ts";
import { explainingRefusals, refuseForbidden } from "./permissions.ts";
import { abandonRestore, openJournals, recoverWherePossible, recoveryTools } from "./recover.ts";
import { takeSafetyOf } from "./safety.ts";

export interface UndoRequest extends RunOptions {
  /** The restore meant; the last one of this vault when left out. */
  readonly restoreId?: string;
  /** Replace a database although a process has it open. */
  readonly force?: boolean;
}

/**
 * Brings back what a restore replaced, on all its targets together. What is there now
 * becomes the kept previous state, so that an undo can be undone.
 *
 * @throws {BackupError} `not-found` if nothing is kept; `unsafe` if a database is in use; `locked`
 */
export async function undoRestore(
  context: OperationContext,
  request: Started<UndoRequest>,
): Promise<UndoResult> {
  return await explainingRefusals(() => undoKept(context, request));
}

async function undoKept(context: OperationContext, request: Started<UndoRequest>): Promise<UndoResult> {
  const { signal } = request;
  await recoverWherePossible(context, signal);
  const store = openJournals(context);
  const kept = await findKept(context, store, request.restoreId);
  if (request.force !== true) refuseInUse(swappedPaths(kept));
  const log = new RunLog(request.observer, context.clock);
  await using _held = await context.vault.hold(signal);
  const journal = await undoJournal(context, kept);
  await refuseForbidden(journal);
  using _claim = await claimTargets(store, journal, signal);
  const warn = log.warning.bind(log);
  const tools = recoveryTools(context, store, warn, signal);
  let staged = journal;
  try {
    if (kept.live.length > 0) staged = await stageLive(context, journal, kept, log, signal);
    staged = { ...staged, state: "staged" };
    await store.write(staged);
    signal.throwIfAborted();
    if (request.force !== true) refuseInUse(swappedPaths(kept));
  } catch (error) {
    await abandonRestore(journal, tools, warn);
    throw error;
  }
  await carryOut(staged, tools);
  return { restoreId: kept.id, restored: journalTargets(kept) };
}

/**
 * Deletes the previous state that a restore kept. Returns the absolute paths that are
 * gone; none where nothing was kept.
 *
 * @throws {BackupError} `not-found` for an id that names no restore; `locked`; `storage-unavailable` if not
 *   all of it can be deleted: it is not offered for an undo any more, and the next command goes on deleting
 */
export async function discardPreviousState(
  context: OperationContext,
  request: Started<UndoRequest>,
): Promise<readonly string[]> {
  const { signal, restoreId } = request;
  await recoverWherePossible(context, signal);
  const store = openJournals(context);
  const kept = await store.exclusively(async () => {
    const found =
      restoreId === undefined ? await lastKept(context, store) : await findKept(context, store, restoreId);
    if (found === undefined) return undefined;
    await refuseOverlap(store, found);
    return { id: found.id, trees: await presentTrees(found), isMarked: await mark(found, found, store) };
  }, signal);
  if (kept?.isMarked === true) await deleteMarked(kept.id, { store, disk: realDisk });
  return kept?.trees ?? [];
}

async function presentTrees({ areas }: RestoreJournal): Promise<readonly string[]> {
  const present: string[] = [];
  for (const { previous } of areas) {
    if (await realDisk.exists(previous)) present.push(byteStringToDisplay(previous));
  }
  return present;
}

/** The restore that an undo or a discard would be about; undefined where nothing is kept. */
export async function findKeptRestore(
  context: OperationContext,
  request: Started<UndoRequest>,
): Promise<KeptRestore | undefined> {
  const { restoreId } = request;
  const store = openJournals(context);
  const kept =
    restoreId === undefined ? await lastKept(context, store) : await findKept(context, store, restoreId);
  if (kept === undefined) return undefined;
  const { id, startedAtMs, backupId, kind } = kept;
  return { restoreId: id, startedAtMs, backupId, isUndo: kind === "undo", targets: journalTargets(kept) };
}

/** The last one asked of this vault: several apps of a user share the journals, each with a last restore of its own. */
async function lastKept(
  { vault }: OperationContext,
  store: RestoreJournalStore,
): Promise<RestoreJournal | undefined> {
  const kept = (await store.list()).filter((journal) => journal.state === "kept");
  return kept
    .filter((journal) => journal.vault === undefined || journal.vault === vault.location)
    .toSorted((a, b) => (a.number ?? 0) - (b.number ?? 0) || a.startedAtMs - b.startedAtMs)
    .at(-1);
}

async function findKept(
  context: OperationContext,
  store: RestoreJournalStore,
  restoreId: string | undefined,
): Promise<RestoreJournal> {
  const named = restoreId === undefined ? await lastKept(context, store) : await readKept(store, restoreId);
  if (named?.state === "kept") return named;
  const what = restoreId === undefined ? "the last restore" : `restore ${restoreId}`;
  throw nothingKept(what);
}

/** An id comes from people: it is compared, never made into a path. */
async function readKept(store: RestoreJournalStore, restoreId: string): Promise<RestoreJournal | undefined> {
  return (await store.list()).find((journal) => journal.id === restoreId);
}

function swappedPaths(journal: RestoreJournal): readonly string[] {
  return journal.areas.flatMap(({ place, slots }) =>
    slots
      .filter(({ database }) => database)
      .map(({ name }) => byteStringToUtf8(absolutePath(place, name)) ?? ""),
  );
}

/** The same swap the other way round: what was kept arrives, what arrived is kept. */
async function undoJournal(context: OperationContext, kept: RestoreJournal): Promise<RestoreJournal> {
  const id = newRestoreId(context);
  const areas: SwapArea[] = [];
  for (const area of kept.areas) areas.push(await undoArea(area, kept.id, id));
  return {
    id,
    kind: "undo",
    undoes: kept.id,
    owner: context.machine.owner,
    startedAtMs: context.clock.now(),
    backupId: kept.backupId,
    ...(kept.vault === undefined ? {} : { vault: kept.vault }),
    state: "building",
    areas,
    // Of what is swapped no backup is made here.
    ...(areas.length === 0 ? {} : { onlyCopy: true }),
    live: kept.live.map((target) => ({ ...target, imagePath: livePath(target, id) })),
  };
}

async function undoArea(area: SwapArea, keptId: string, undoId: string): Promise<SwapArea> {
  const { place, previous, targets, attributes } = area;
  if (area.wasAbsent !== true && !(await realDisk.exists(previous))) {
    throw new BackupError("not-found", `Cannot undo: ${byteStringToDisplay(previous)} is gone`, {
      hint: "Somebody removed what the restore kept; a safety backup of it may be in the vault.",
    });
  }
  const slots: SwapSlot[] = [];
  for (const slot of area.slots) {
    slots.push({ ...slot, arrives: await realDisk.exists(absolutePath(previous, slot.name)) });
  }
  return {
    place,
    staging: previous,
    container: previous,
    previous: asByteString(previous.slice(0, -keptId.length) + undoId),
    slots,
    targets,
    ...(attributes === undefined
      ? {}
      : { attributes: { after: attributes.before, before: attributes.after } }),
  };
}

function livePath({ path }: LiveTarget, id: string): ByteString {
  const container = stagingName(byteStringFromText(basename(path)), id);
  return byteStringFromText(join(dirname(path), byteStringToUtf8(container) ?? "", basename(path)));
}

/** What a live restore replaced is in its safety backup; what is there now goes into a new one first. */
async function stageLive(
  context: OperationContext,
  journal: RestoreJournal,
  kept: RestoreJournal,
  log: RunLog,
  signal: AbortSignal,
): Promise<RestoreJournal> {
  const { safetyBackupId } = kept;
  if (safetyBackupId === undefined)
    throw new BackupError("not-found", `Cannot undo ${kept.id}: it has no safety backup`);
  const databases = journal.live.map(({ name, path }) => ({ name, path }));
  for (const { path } of databases) await stat(path);
  const name = (await sourceNameOf(context, safetyBackupId, signal)) || "restored";
  const safety = await takeSafetyOf(context, { name, databases, folders: [], references: [] }, log, signal);
  const live: LiveTarget[] = [];
  for (const target of journal.live) {
    await mkdir(dirname(byteStringToUtf8(target.imagePath) ?? ""), { mode: 0o700 });
    const imagePath = byteStringToUtf8(target.imagePath) ?? "";
    const { journalMode } = await extractDatabase(context, safetyBackupId, target.name, imagePath, signal);
    live.push({ ...target, journalMode });
  }
  return { ...journal, live, safetyBackupId: safety.id };
}

async function sourceNameOf(context: OperationContext, id: string, signal: AbortSignal): Promise<string> {
  await using reader = await context.vault.open(id, signal);
  return reader.backup.source;
}
