/**
 * What to do with a restore journal whatever state it is in: the one place that
 * takes a restore forward or back. A restore that runs through and one that is
 * taken up again after a crash end here alike (I4).
 *
 * @module
 */

import { posix } from "node:path";
import { type ByteString, byteStringToDisplay } from "../../domain/byte-string.ts";
import { BackupError, errorText } from "../../domain/error.ts";
import { amongKept, deleteSuperseded, supersede } from "./kept-states.ts";
import { giveAttributes } from "./place-attributes.ts";
import type { JournalState, RestoreJournal, SwapArea } from "./restore-journal.ts";
import type { RestoreJournalStore } from "./restore-journal-store.ts";
import { swapBack, swapIn } from "./swap.ts";
import type { SwapDisk } from "./swap-disk.ts";

export interface RecoveryTools {
  readonly store: RestoreJournalStore;
  readonly disk: SwapDisk;
  /** Writes the images of `journal.live` into their databases, all or none; may be repeated. */
  readonly installLive: (journal: RestoreJournal) => Promise<void>;
  /** Is told what went wrong after a restore had done all it was asked for. */
  readonly warn: (message: string) => void;
}

/** `forward`: all targets are as the restore wanted them. `back`: all are as they were before it. */
export type Direction = "forward" | "back";

/**
 * Takes a journal to its end. The caller holds its lock. May be interrupted anywhere and
 * called again.
 *
 * @throws {BackupError} if neither way can be gone to its end now; the journal stays, and so
 *   does everything that is needed to try again
 */
export async function finishJournal(journal: RestoreJournal, tools: RecoveryTools): Promise<Direction> {
  switch (journal.state) {
    case "kept":
    case "discarding":
      return "forward";
    case "building":
    case "staged":
      for (const area of journal.areas) await tools.disk.removeEmptyDirectories(area.previous);
      await dropStaging(journal, tools);
      return "back";
    case "reverting":
      return takeBack(journal, tools);
    case "done":
      await tidy(journal, tools);
      return "forward";
    default:
      return goForward(journal, tools);
  }
}

/**
 * Swaps a `staged` journal in and tidies up. If a step fails, everything is moved back first.
 *
 * @throws what stopped it, after everything is as it was
 */
export async function carryOut(journal: RestoreJournal, tools: RecoveryTools): Promise<void> {
  let current = journal;
  const writeState = stateWriter(tools, (next) => {
    current = next;
  });
  try {
    if (journal.live.length > 0) {
      if (journal.state === "staged") current = await writeState(journal, "installing");
      if (current.state === "installing") await tools.installLive(current);
    }
    current = await swapIn(current, tools.disk, writeState);
  } catch (error) {
    if (canGoBack(journal, current)) await takeBackAfter(error, current, tools);
    throw error;
  }
  await tidy(current, tools);
}

/**
 * A failed installation leaves all databases as they were. After one that succeeded, or
 * that a crash may have cut in two, only forward is left; the next command tries again.
 */
function canGoBack(before: RestoreJournal, now: RestoreJournal): boolean {
  return now.live.length === 0 || (before.state === "staged" && now.state === "installing");
}

async function goForward(journal: RestoreJournal, tools: RecoveryTools): Promise<Direction> {
  try {
    await carryOut(journal, tools);
    return "forward";
  } catch (error) {
    const left = await tools.store.read(journal.id);
    if (left === undefined) return "back";
    throw cannotFinish(journal, error);
  }
}

function cannotFinish(journal: RestoreJournal, cause: unknown): BackupError {
  return new BackupError(
    "storage-unavailable",
    `Cannot finish the interrupted restore ${journal.id}: ${errorText(cause)}`,
    { cause, hint: "Nothing is lost: remove the cause, then run any command again to finish it." },
  );
}

/** A failure while moving back must not hide what went wrong first. */
async function takeBackAfter(error: unknown, journal: RestoreJournal, tools: RecoveryTools): Promise<void> {
  try {
    await takeBack(journal, tools);
  } catch (second) {
    throw cannotTakeBack(journal, new AggregateError([error, second], errorText(error)));
  }
}

function cannotTakeBack(journal: RestoreJournal, cause: AggregateError): BackupError {
  return new BackupError(
    "storage-unavailable",
    `Cannot move back what the restore ${journal.id} had moved: ${cause.errors.map(errorText).join("; then ")}`,
    { cause, hint: "Nothing is lost: remove the cause, then run any command again to finish it." },
  );
}

async function takeBack(journal: RestoreJournal, tools: RecoveryTools): Promise<Direction> {
  const writeState = stateWriter(tools);
  const reverted = await swapBack(journal, tools.disk, writeState);
  // Without what was built, moving back again would take the old state for the new one.
  const current = await writeState(reverted, "staged");
  for (const area of current.areas) await tools.disk.removeEmptyDirectories(area.previous);
  await dropStaging(current, tools);
  return "back";
}

/** Removes what was built. The staging of an undo is the kept state of another restore, and stays. */
async function dropStaging(journal: RestoreJournal, { disk, store }: RecoveryTools): Promise<void> {
  if (journal.kind === "restore") {
    for (const area of journal.areas) await disk.removeTree(area.container);
  }
  await dropImages(journal, disk);
  await store.remove(journal.id);
}

/**
 * After `done`: removes empty staging, gives folders that stayed their attributes, and removes the older previous
 * states of the same targets. Those go last, for it may take long.
 */
async function tidy(journal: RestoreJournal, tools: RecoveryTools): Promise<void> {
  const { disk, store } = tools;
  const touched = new Set<ByteString>();
  for (const area of journal.areas) {
    await disk.removeEmptyDirectories(area.container);
    touched.add(posix.dirname(area.container) as ByteString);
  }
  // Now that nothing in them changes any more: the new mode may not let this user do that.
  for (const place of await giveAttributes(journal, "after", disk)) {
    tools.warn(`${byteStringToDisplay(place)} keeps its mode and time, for it belongs to another user`);
  }
  await dropImages(journal, disk);
  const superseded = await supersede(journal, store);
  await disk.syncDirectories(touched);
  const areas: SwapArea[] = [];
  for (const area of journal.areas) areas.push({ ...area, wasAbsent: !(await disk.exists(area.previous)) });
  await store.write({ ...journal, areas, ...(await amongKept(journal, store)), state: "kept" });
  await deleteSuperseded(superseded, tools);
}

async function dropImages(journal: RestoreJournal, disk: SwapDisk): Promise<void> {
  for (const target of journal.live) await disk.removeTree(posix.dirname(target.imagePath) as ByteString);
}

function stateWriter(
  { store }: Pick<RecoveryTools, "store">,
  seen: (journal: RestoreJournal) => void = () => undefined,
): (journal: RestoreJournal, state: JournalState) => Promise<RestoreJournal> {
  return async (journal, state) => {
    const next = { ...journal, state };
    await store.write(next);
    seen(next);
    return next;
  };
}
