/**
 * Everything a restore knows before it touches anything: the opened backup, what
 * of it is wanted, where that goes and how it will get there. Shared by the plan
 * and the restore itself.
 *
 * @module
 */

import type { Backup } from "../../domain/backup.ts";
import type { ByteString } from "../../domain/byte-string.ts";
import { BackupError } from "../../domain/error.ts";
import { loadMounts } from "../../source/mounts.ts";
import { realDisk } from "../../source/swap/swap-disk.ts";
import { resolvePlace } from "../../source/swap/staging-place.ts";
import { realBytePath } from "../../source/folder/walk-folder.ts";
import { withSidecars } from "../../source/sidecar-names.ts";
import type { BackupReader, Damage } from "../../vault/vault.ts";
import type { OperationContext } from "../context.ts";
import { resolveReference } from "../find-backup.ts";
import type { RestoreRequest, RestoreTargetPlan, Started } from "../requests.ts";
import { hardLinkWarnings } from "./hard-links.ts";
import { type Layout, layOut, type PlacedTarget } from "./layout.ts";
import { refuseForbidden } from "./permissions.ts";
import { type Selection, selectEntries } from "./selection.ts";
import { chooseTargets, type RestoreTarget } from "./targets.ts";
import { mergeTwins } from "./twins.ts";
import { findDamaged, ReaderWithoutDamaged, requireAside } from "./without-damaged.ts";

export interface PreparedRestore extends AsyncDisposable {
  readonly restoreId: string;
  readonly reader: BackupReader;
  readonly backup: Backup;
  /** Does the backup lie in the vault, so that the vault can verify it? */
  readonly isStored: boolean;
  readonly selection: Selection;
  readonly layout: Layout;
  /** Real absolute paths inside targets that stay as they are. */
  readonly keep: readonly ByteString[];
  readonly warnings: readonly string[];
  /** What is wanted, damaged and therefore not restored; only with `skipDamaged`. */
  readonly damaged: readonly Damage[];
}

/** @throws {BackupError} `not-found`, `damaged`, `invalid-input`, `unsafe`, `unsupported` */
export async function prepareRestore(
  context: OperationContext,
  request: Started<RestoreRequest>,
  restoreId: string,
): Promise<PreparedRestore> {
  const { signal } = request;
  const opened = await openBackup(context, request);
  try {
    return { restoreId, ...opened, ...(await prepareOpened(context, request, opened, restoreId)) };
  } catch (error) {
    await opened[Symbol.asyncDispose]();
    signal.throwIfAborted();
    throw error;
  }
}

interface OpenedBackup extends AsyncDisposable {
  readonly reader: BackupReader;
  readonly backup: Backup;
  readonly isStored: boolean;
  readonly only: "database" | "storage" | undefined;
  /** What is left out of the backup, as far as it was read. */
  readonly passedOver: () => readonly Damage[];
}

async function openBackup(
  context: OperationContext,
  request: Started<RestoreRequest>,
): Promise<OpenedBackup> {
  const { backup: reference, source, signal } = request;
  const found = await resolveReference(context, reference, { source, preferTrusted: true, signal });
  const isStored = found.found === "stored";
  requireAside(request, isStored);
  const reader = isStored
    ? await context.vault.open(found.backup.id, signal)
    : await context.openLooseFile(found.path, signal);
  const only = request.only ?? (isStored ? found.only : undefined);
  const close = async (): Promise<void> => await reader[Symbol.asyncDispose]();
  const opened = { isStored, only, [Symbol.asyncDispose]: close };
  if (request.skipDamaged !== true) return { reader, backup: reader.backup, passedOver: () => [], ...opened };
  try {
    const whole = new ReaderWithoutDamaged(reader, await findDamaged(context, reader, only, request));
    return { reader: whole, backup: whole.backup, passedOver: () => whole.passedOver(), ...opened };
  } catch (error) {
    await close();
    throw error;
  }
}

async function prepareOpened(
  context: OperationContext,
  request: Started<RestoreRequest>,
  { reader, backup, only, passedOver }: OpenedBackup,
  restoreId: string,
): Promise<Pick<PreparedRestore, "selection" | "layout" | "keep" | "warnings" | "damaged">> {
  const { signal } = request;
  const selection = await selectEntries(reader, request.include ?? [], only !== "database", signal);
  const damaged = passedOver().filter(({ path = "" }) => selection.selectsNamed(path));
  const databases =
    only === "storage" ? [] : backup.databases.filter(({ name }) => selection.selectsNamed(name));
  const roots = only === "database" ? [] : wantedRoots(backup, selection);
  if (databases.length + roots.length === 0 && damaged.length > 0) throw allDamaged(backup, damaged);
  if (databases.length + roots.length === 0) throw nothingToRestore(backup, request, only);
  const { target, source } = request;
  const chosen = chooseTargets(backup, { target, source, databases, roots }, context.sources);
  const { placed, warnings: twins } = await mergeTwins(
    await Promise.all(chosen.targets.map(placeTarget)),
    reader,
    signal,
  );
  const live = request.live === true;
  const keep = await databasesToKeep(context, backup, placed, live);
  const own = context.ownDirectories.map(realBytePath);
  const layout = layOut(placed, {
    restoreId,
    partial: selection.partial,
    live,
    mounts: new Set(loadMounts().map((mount) => mount.mountPoint)),
    own,
    keep,
  });
  await refuseForbidden(layout);
  const warnings = [
    ...(placed.some(({ place }) => place.state !== "absent") ? safetyWarnings(context) : []),
    ...chosen.warnings,
    ...twins,
    ...(await hardLinkWarnings(placed, live)),
    ...leftOutWarnings(reader),
    ...warningsOf(
      backup,
      databases.map(({ name }) => name),
    ),
  ];
  return { selection, layout, keep: [...own, ...keep], warnings, damaged };
}

/** A backup of files that are not ours knows no folders: they are what its entries say. */
function wantedRoots(backup: Backup, selection: Selection): Backup["roots"] {
  if (backup.roots.length === 0) return [...selection.bytesByRoot.keys()].map((name) => ({ name, path: "" }));
  // An empty folder of a whole backup has at least its own entry.
  return backup.roots.filter((root) => selection.bytesByRoot.has(root.name));
}

async function placeTarget(target: RestoreTarget): Promise<PlacedTarget> {
  return { target, place: await resolvePlace(target.path) };
}

/**
 * Declared databases are restored by name only: where only the folder around one is
 * restored, or it is written live, it stays where it is.
 */
async function databasesToKeep(
  context: OperationContext,
  backup: Backup,
  placed: readonly PlacedTarget[],
  live: boolean,
): Promise<readonly ByteString[]> {
  const recorded = backup.databases.map(({ path }) => path).filter((path) => path !== "");
  const declared = context.sources.flatMap((source) => source.databases.map(({ path }) => path));
  const databases = placed.filter(({ target }) => target.kind === "database");
  const swapped = databases.filter(({ place }) => !(live && place.state === "file"));
  const replaced = new Set(swapped.map(({ place }) => place.path));
  const written = databases.map(({ place }) => place.path);
  const kept: ByteString[] = [];
  for (const path of new Set([...[...declared, ...recorded].map(realBytePath), ...written])) {
    // One that is not there has nothing to lose; an old archive may even bring it as a file.
    if (!replaced.has(path) && (await realDisk.exists(path))) kept.push(...withSidecars(path));
  }
  return kept;
}

/** What is there stays beside its target, by renames: so it needs no space counted. */
function safetyWarnings({ vault }: OperationContext): readonly string[] {
  if (!vault.readOnly) return [];
  return [
    `No vault can be written to in ${vault.location}, so no safety backup is taken: what is replaced is kept beside it, which takes no further space`,
  ];
}

/** Named one by one are as many as people read. */
const leftOutShownMax = 5;

/** What only restic stores was met when the entries were selected. */
function leftOutWarnings(reader: BackupReader): readonly string[] {
  const problems = reader.leftOut?.() ?? [];
  const shown = problems
    .slice(0, leftOutShownMax)
    .map(({ path, message }) => `${path} is left out: ${message}`);
  const more = problems.length - shown.length;
  return more > 0 ? [...shown, `${more} more devices and pipes are left out`] : shown;
}

function warningsOf(backup: Backup, databases: readonly string[]): readonly string[] {
  const warnings: string[] = [];
  if (backup.state !== "good") warnings.push(`${backup.id} is ${backup.state}: ${backup.stateReason}`);
  for (const { name, check } of backup.databases) {
    if (check.ok || !databases.includes(name)) continue;
    warnings.push(
      `${name} was damaged when it was backed up, and is restored as it was: ${check.messages[0] ?? ""}`,
    );
  }
  return warnings;
}

function allDamaged({ id }: Backup, damaged: readonly Damage[]): BackupError {
  return new BackupError("damaged", `Cannot restore ${id}: all that is wanted of it is damaged`, {
    hint: `The first: ${damaged[0]?.path}: ${damaged[0]?.message}`,
  });
}

function nothingToRestore(
  backup: Backup,
  request: RestoreRequest,
  only: "database" | "storage" | undefined,
): BackupError {
  const include = request.include ?? [];
  if (include.length > 0) {
    return new BackupError(
      "not-found",
      `Cannot restore ${include.join(", ")}: ${backup.id} holds nothing that matches`,
      {
        hint: "Patterns are matched against <folder name>/<path> and <database name>; show the backup to see its names.",
      },
    );
  }
  const wanted = only === "database" ? "databases" : only === "storage" ? "folders" : "databases or folders";
  return new BackupError("not-found", `Cannot restore from ${backup.id}: it holds no ${wanted}`);
}

/** The targets as plans and results name them, in the order of the backup. */
export function targetPlans(layout: Layout): readonly RestoreTargetPlan[] {
  return layout.staged.map(({ target, place }) => ({
    kind: target.kind,
    name: target.name,
    path: target.path,
    exists: place.state !== "absent",
  }));
}
