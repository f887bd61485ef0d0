/**
 * `restore`: puts a backup back, built aside, verified, synced and swapped in
 * under a journal that spans all targets (I4), after a safety backup of what is
 * there.
 *
 * @module
 */

import { lstat } from "node:fs/promises";
import { byteStringToDisplay } from "../../domain/byte-string.ts";
import { BackupError } from "../../domain/error.ts";
import type { RestoreJournal, SwapArea } from "../../source/swap/restore-journal.ts";
import type { RestoreJournalStore } from "../../source/swap/restore-journal-store.ts";
import { planSlots } from "../../source/swap/swap-slots.ts";
import { carryOut } from "../../source/swap/swap-recovery.ts";
import { withShortPath } from "../../source/tree/short-path.ts";
import type { OperationContext } from "../context.ts";
import type { RestorePlan, RestoreRequest, RestoreResult, Started } from "../requests.ts";
import { RunLog } from "../run-log.ts";
import { claimTargets, newRestoreId } from "./claim.ts";
import { refuseInUse } from "./in-use.ts";
import { comparePrepared, swappedDatabases } from "./plan.ts";
import { explainingRefusals, refuseForbidden } from "./permissions.ts";
import { type PreparedRestore, prepareRestore, targetPlans } from "./prepare.ts";
import { abandonRestore, openJournals, recoverWherePossible, recoveryTools } from "./recover.ts";
import { requireStored } from "./require-stored.ts";
import { dropSafetyBackup, takeSafetyBackup } from "./safety.ts";
import { bytesToWrite, refuseIfTooLarge } from "./space.ts";
import { type Staged, stageTargets } from "./stage.ts";
import { StageProgress } from "./stage-progress.ts";

/**
 * Says what a restore would do. Touches nothing.
 *
 * @throws {BackupError} `not-found`, `damaged`, `unsafe`, `invalid-input`
 */
export async function planRestore(
  context: OperationContext,
  request: Started<RestoreRequest>,
): Promise<RestorePlan> {
  return await explainingRefusals(async () => {
    await using prepared = await prepareRestore(context, request, newRestoreId(context));
    await requireStored(prepared, request.signal);
    return await comparePrepared(context, prepared, request);
  });
}

/**
 * Restores a backup. Cancelled or failed before the swap, everything is as it was; the
 * swap itself, some renames, is not cancelled.
 *
 * @param plan As {@link planRestore} returned it, when the caller has shown one; it pins the
 *   backup that `latest` meant then
 */
export async function restore(
  context: OperationContext,
  request: Started<RestoreRequest>,
  plan?: RestorePlan,
): Promise<RestoreResult> {
  const log = new RunLog(request.observer, context.clock);
  const useless: string[] = [];
  try {
    return await explainingRefusals(() => restoreHeld(context, request, plan, { log, useless }));
  } finally {
    // Only now is the vault held by nobody of this run.
    for (const id of useless) await dropSafetyBackup(context, id, log);
  }
}

/** As many as people can read; all are counted. */
const damagedShownMax = 1000;

/** What a restore tells besides its result. */
interface Told {
  readonly log: RunLog;
  /** Is given the id of the safety backup of a restore that changed nothing. */
  readonly useless: string[];
}

async function restoreHeld(
  context: OperationContext,
  request: Started<RestoreRequest>,
  plan: RestorePlan | undefined,
  told: Told,
): Promise<RestoreResult> {
  const { signal } = request;
  const { log } = told;
  await recoverWherePossible(context, signal);
  // I4: nobody removes the backup that is being restored while its safety backup is made.
  await using _held = await context.vault.hold(signal);
  const pinned =
    request.backup === "latest" && plan !== undefined ? { ...request, backup: plan.backup.id } : request;
  await using prepared = await prepareRestore(context, pinned, newRestoreId(context));
  for (const warning of prepared.warnings) log.warning(warning);
  await requireStored(prepared, signal);
  if (request.force !== true) refuseInUse(swappedDatabases(prepared));
  await refuseIfTooLarge(prepared, pinned.spaceCheck === false ? (text) => log.warning(text) : undefined);
  return await new RestoreRun(context, pinned, prepared, told).run();
}

/** One restore from its first mark on the disk to its last. */
class RestoreRun {
  readonly #context: OperationContext;
  readonly #request: Started<RestoreRequest>;
  readonly #prepared: PreparedRestore;
  readonly #log: RunLog;
  readonly #useless: string[];
  readonly #store: RestoreJournalStore;
  #journal: RestoreJournal;

  constructor(
    context: OperationContext,
    request: Started<RestoreRequest>,
    prepared: PreparedRestore,
    { log, useless }: Told,
  ) {
    this.#context = context;
    this.#request = request;
    this.#prepared = prepared;
    this.#log = log;
    this.#useless = useless;
    this.#store = openJournals(context);
    this.#journal = this.#firstJournal();
  }

  async run(): Promise<RestoreResult> {
    const { signal } = this.#request;
    using _claim = await claimTargets(this.#store, this.#journal, signal);
    const warn = this.#log.warning.bind(this.#log);
    const tools = recoveryTools(this.#context, this.#store, warn, signal);
    let staged: Staged;
    try {
      staged = await this.#buildAside();
      signal.throwIfAborted();
      // Again: what was built took its time, and somebody may have started the app meanwhile.
      if (this.#request.force !== true) refuseInUse(swappedDatabases(this.#prepared));
    } catch (error) {
      await abandonRestore(this.#journal, tools, warn);
      await this.#noteUseless();
      throw error;
    }
    this.#log.progress({ phase: "swap", bytesDone: 0, itemsDone: 0 });
    await carryOut(this.#journal, tools);
    const itemsDone = this.#prepared.layout.staged.length;
    this.#log.finalProgress({ phase: "swap", bytesDone: 0, itemsDone });
    return await this.#result(staged);
  }

  /** One whose journal could not be removed is still referred to. */
  async #noteUseless(): Promise<void> {
    const { id, safetyBackupId } = this.#journal;
    if (safetyBackupId === undefined) return;
    const isGone = await this.#store.read(id).then(
      (journal) => journal === undefined,
      () => false,
    );
    if (isGone) this.#useless.push(safetyBackupId);
  }

  /** Everything that can fail, before anything is touched. */
  async #buildAside(): Promise<Staged> {
    const { signal } = this.#request;
    await using capturer = await this.#context.openCapturer();
    if (this.#prepared.layout.staged.some(({ target }) => target.kind === "database")) capturer.prepare();
    // The same process captures what is there now and checks what takes its place.
    const context = { ...this.#context, openCapturer: () => Promise.resolve(capturer.lend()) };
    const safety = await takeSafetyBackup(context, this.#prepared, this.#log, signal);
    if (safety !== undefined) this.#journal = { ...this.#journal, safetyBackupId: safety.id };
    if (safety?.state !== "good") this.#journal = { ...this.#journal, onlyCopy: true };
    await this.#store.write(this.#journal);
    const progress = new StageProgress(this.#log, bytesToWrite(this.#prepared));
    const parentMode = this.#request.target === undefined ? 0o755 : 0o700;
    const options = { capturer, progress, parentMode };
    // Side by side: one mostly waits for inflating, the other for the disk. Nothing is touched before both are through.
    const [staged] = await together(
      (both) => stageTargets(this.#prepared, options, both),
      (both) => this.#verifyStored(both),
      signal,
    );
    progress.end();
    const areas = await planAreas(this.#prepared, this.#journal.areas, signal);
    await refuseForbidden({ areas, live: this.#journal.live });
    this.#journal = { ...this.#journal, areas, state: "staged" };
    await this.#store.write(this.#journal);
    return staged;
  }

  /**
   * A4: what is stored is compared with its checksums. Of a part, what is read is verified as it is read; and
   * of a repository everything, blob by blob.
   */
  async #verifyStored(signal: AbortSignal): Promise<void> {
    const { backup, isStored, selection, layout } = this.#prepared;
    const wholeFolders = layout.staged.some(({ target }) => target.kind === "folder") && !selection.partial;
    if (!isStored || !wholeFolders || backup.state === "unverified") return;
    // All of it was read already, and what is damaged is left out.
    if (this.#request.skipDamaged === true) return;
    if (this.#context.vault.format === "repository") return;
    const report = await this.#context.vault.verify(
      backup.id,
      {
        depth: "stored",
        // Databases are compared with their checksums as they are written.
        only: "storage",
        observer: this.#log,
        scratchDirectory: this.#context.scratchDirectory,
        checkDatabase: () => Promise.resolve([]),
      },
      signal,
    );
    const first = report.damages[0];
    if (first === undefined) return;
    throw new BackupError("damaged", `Cannot restore ${backup.id}: ${first.object}: ${first.message}`, {
      hint: "Nothing was changed. Restore another backup, or what is whole of this one into another folder: --skip-damaged --target DIR.",
    });
  }

  #firstJournal(): RestoreJournal {
    const { layout, backup, restoreId } = this.#prepared;
    return {
      id: restoreId,
      kind: "restore",
      owner: this.#context.machine.owner,
      startedAtMs: this.#context.clock.now(),
      backupId: backup.id,
      vault: this.#context.vault.location,
      state: "building",
      areas: layout.areas,
      live: layout.live,
    };
  }

  async #result(staged: Staged): Promise<RestoreResult> {
    const kept = await this.#store.read(this.#journal.id);
    const { safetyBackupId } = this.#journal;
    for (const warning of staged.warnings) this.#log.warning(warning);
    return {
      backup: this.#prepared.backup,
      restoreId: this.#journal.id,
      targets: targetPlans(this.#prepared.layout),
      filesWritten: staged.filesWritten,
      bytesWritten: staged.bytesWritten,
      previousState: (kept?.areas ?? [])
        .filter(({ wasAbsent }) => wasAbsent !== true)
        .map(({ previous }) => byteStringToDisplay(previous)),
      warnings: this.#log.warnings,
      damaged: this.#prepared.damaged.slice(0, damagedShownMax),
      damagedCount: this.#prepared.damaged.length,
      ...(safetyBackupId === undefined ? {} : { safetyBackupId }),
    };
  }
}

/** Runs both. If one fails, the other is cancelled and waited for, and what failed first is thrown. */
async function together<A, B>(
  first: (signal: AbortSignal) => Promise<A>,
  second: (signal: AbortSignal) => Promise<B>,
  signal: AbortSignal,
): Promise<readonly [A, B]> {
  const failure = new AbortController();
  const both = AbortSignal.any([signal, failure.signal]);
  const stop = (error: unknown): never => {
    failure.abort();
    throw error;
  };
  const runs = [first(both).catch(stop), second(both).catch(stop)] as const;
  try {
    return await Promise.all(runs);
  } catch (error) {
    await Promise.allSettled(runs);
    throw error;
  }
}

/** Names what is swapped where that depends on what was built. */
async function planAreas(
  { layout, keep }: PreparedRestore,
  areas: readonly SwapArea[],
  signal: AbortSignal,
): Promise<readonly SwapArea[]> {
  const planned = [...areas];
  const databases = new Set(
    layout.staged.filter(({ target }) => target.kind === "database").map(({ place }) => place.path),
  );
  for (const { oneByOne, stagedPath } of layout.staged) {
    const area = oneByOne && planned[oneByOne.area];
    if (oneByOne === undefined || area === undefined) continue;
    const { replace } = oneByOne;
    const rules = { place: area.place, staged: stagedPath, replace, keep, databases };
    const slots = await planSlots(rules, signal);
    planned[oneByOne.area] = { ...area, slots, ...(replace ? await attributesOf(area) : {}) };
  }
  return planned;
}

/** The folder itself stays, so what it is given is written down with what it had. */
async function attributesOf({ place, staging }: SwapArea): Promise<Pick<SwapArea, "attributes">> {
  const [before, after] = await Promise.all([
    withShortPath(place, (path) => lstat(path)),
    withShortPath(staging, (path) => lstat(path)),
  ]);
  const pick = ({
    mode,
    uid,
    gid,
    mtimeMs,
  }: typeof before): NonNullable<SwapArea["attributes"]>["after"] => ({
    mode: mode & 0o7777,
    ...{ uid, gid, mtimeMs },
  });
  return { attributes: { before: pick(before), after: pick(after) } };
}
