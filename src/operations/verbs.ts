/**
 * The verbs of the facade, each loaded when it is first called: all of them are
 * some 150 modules, which take 60 ms to load, and a list needs a third of them.
 *
 * @module
 */

import type * as making from "./back-up.ts";
import type * as copying from "./copy/copy-backups.ts";
import type * as finding from "./find-backup.ts";
import type * as listing from "./list-backups.ts";
import type * as pinning from "./pin.ts";
import type * as recovering from "./restore/recover.ts";
import type * as restoring from "./restore/restore.ts";
import type * as undoing from "./restore/undo.ts";
import type * as rotating from "./rotate.ts";
import type * as counting from "./stats.ts";
import type * as verifying from "./verify.ts";

/** A function in a module that is not loaded before it is called. */
export function lazy<A extends readonly unknown[], T>(
  load: () => Promise<(...given: A) => Promise<T>>,
): (...given: A) => Promise<T> {
  return async (...given) => (await load())(...given);
}

export const backUp: typeof making.backUp = lazy(async () => (await import("./back-up.ts")).backUp);
export const backUpAll: typeof making.backUpAll = lazy(async () => (await import("./back-up.ts")).backUpAll);
export const copyBackups: typeof copying.copyBackups = lazy(
  async () => (await import("./copy/copy-backups.ts")).copyBackups,
);
export const findStoredBackup: typeof finding.findStoredBackup = lazy(
  async () => (await import("./find-backup.ts")).findStoredBackup,
);
export const listBackups: typeof listing.listBackups = lazy(
  async () => (await import("./list-backups.ts")).listBackups,
);
export const confirmBackup: typeof pinning.confirmBackup = lazy(
  async () => (await import("./pin.ts")).confirmBackup,
);
export const pinBackup: typeof pinning.pinBackup = lazy(async () => (await import("./pin.ts")).pinBackup);
export const unpinBackup: typeof pinning.unpinBackup = lazy(
  async () => (await import("./pin.ts")).unpinBackup,
);
export const recoverWherePossible: typeof recovering.recoverWherePossible = lazy(
  async () => (await import("./restore/recover.ts")).recoverWherePossible,
);
export const recoverInterruptedRestores: typeof recovering.recoverInterruptedRestores = lazy(
  async () => (await import("./restore/recover.ts")).recoverInterruptedRestores,
);
export const planRestore: typeof restoring.planRestore = lazy(
  async () => (await import("./restore/restore.ts")).planRestore,
);
export const restore: typeof restoring.restore = lazy(
  async () => (await import("./restore/restore.ts")).restore,
);
export const discardPreviousState: typeof undoing.discardPreviousState = lazy(
  async () => (await import("./restore/undo.ts")).discardPreviousState,
);
export const findKeptRestore: typeof undoing.findKeptRestore = lazy(
  async () => (await import("./restore/undo.ts")).findKeptRestore,
);
export const undoRestore: typeof undoing.undoRestore = lazy(
  async () => (await import("./restore/undo.ts")).undoRestore,
);
export const rotateBackups: typeof rotating.rotateBackups = lazy(
  async () => (await import("./rotate.ts")).rotateBackups,
);
export const getBackupStats: typeof counting.getBackupStats = lazy(
  async () => (await import("./stats.ts")).getBackupStats,
);
export const verifyBackup: typeof verifying.verifyBackup = lazy(
  async () => (await import("./verify.ts")).verifyBackup,
);
