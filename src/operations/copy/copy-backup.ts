/**
 * Copies one backup: its databases, its entries and all that is known of it. What
 * is read is verified as it comes, and nothing is visible before all of it was (I1, I6).
 *
 * @module
 */

import { open } from "node:fs/promises";
import { type Backup, type BackupDatabase, incompleteKinds, type Problem } from "../../domain/backup.ts";
import { isoWithOffset } from "../../domain/clock.ts";
import type { Observer } from "../../domain/progress.ts";
import type {
  BackupReader,
  BackupSummary,
  BackupWriter,
  DatabaseImage,
  ForeignSnapshot,
} from "../../vault/vault.ts";
import type { OperationContext } from "../context.ts";
import { type ImagePlace, openImagePlace } from "../image-place.ts";
import type { RunLog } from "../run-log.ts";
import { openScratch } from "../scratch.ts";
import { originOf } from "./copied-already.ts";
import { copyEntries } from "./copy-entries.ts";
import type { CopyMeter } from "./copy-meter.ts";
import type { CopyTarget } from "./copy-target.ts";

export interface BackupToCopy {
  readonly from: OperationContext;
  readonly to: OperationContext;
  readonly backup: Backup;
  readonly level: number | undefined;
  readonly log: RunLog;
  readonly meter: CopyMeter;
  readonly target: CopyTarget;
}

/**
 * @throws {BackupError} `damaged` where its bytes are not what was stored; `exists` where another run has copied
 *   it meanwhile; nothing is left of the copy then
 */
export async function copyBackup(job: BackupToCopy, signal: AbortSignal): Promise<Backup> {
  const { from, to } = job;
  // It must not be rotated away while it is read.
  await using _read = await from.vault.hold(signal);
  await using reader = await from.vault.open(job.backup.id, signal);
  // What is known of it now that it is open: of restic's own snapshots the list only guesses the folders.
  const { backup } = reader;
  if (reader.foreign !== undefined && to.vault.takeForeign !== undefined) {
    return await pinned(to, backup, () => copyForeign(job, backup, reader.foreign!, signal), signal);
  }
  await using scratch = await openScratch(to);
  await using images = await openImagePlace(to, scratch);
  await using run = new AsyncDisposableStack();
  const writer = await beginCopy({ ...job, backup }, signal);
  run.defer(() => writer.abort());
  for (const database of backup.databases) {
    await copyDatabase({ reader, writer, images, meter: job.meter }, database, signal);
  }
  if (backup.type !== "database") {
    await copyEntries(reader, writer, (bytes) => job.meter.read(bytes), signal);
  }
  const summary = summaryOf(backup, reader.leftOut?.() ?? []);
  const finish = async (): Promise<Backup> => {
    await job.target.refuseSecond(job.backup, signal);
    return await writer.finish(summary, signal);
  };
  return await pinned(to, backup, finish, signal);
}

/** What `finish` makes visible, pinned if what it was copied from is. */
async function pinned(
  to: OperationContext,
  from: Backup,
  finish: () => Promise<Backup>,
  signal: AbortSignal,
): Promise<Backup> {
  if (!from.pinned) return await finish();
  // I5: no rotation may remove it between being there and being pinned.
  await using _written = await to.vault.hold(signal);
  return await pinCopy(to, await finish(), signal);
}

/** What another program made stays as it is, and that program's: no rotation of ours removes it. */
async function copyForeign(
  { from, to, backup: listed, log, meter, target }: BackupToCopy,
  backup: Backup,
  foreign: ForeignSnapshot,
  signal: AbortSignal,
): Promise<Backup> {
  const counted: ForeignSnapshot = {
    document: foreign.document,
    async *blobs(isWanted, either) {
      for await (const blob of foreign.blobs(isWanted, either)) {
        if (blob.type === "data") meter.read(blob.bytes.length);
        yield blob;
      }
    },
  };
  const idMayBeTaken = target.hasId(originOf(backup, from.vault.location).id);
  const beforeVisible = (either: AbortSignal): Promise<void> => target.refuseSecond(listed, either);
  const common = { lockWaitMs: to.lockWaitMs, observer: quietObserver(log) };
  return await to.vault.takeForeign!(counted, { ...common, idMayBeTaken, beforeVisible }, signal);
}

function beginCopy(
  { from, to, backup, level, log }: BackupToCopy,
  signal: AbortSignal,
): Promise<BackupWriter> {
  const { type, source, host, startedAtMs, safety, tags, roots } = backup;
  return to.vault.begin(
    {
      ...{ type, source, host, startedAtMs, safety, tags, roots, level },
      // Files come from the other vault, not from where they were: there is nothing to settle them against.
      parent: undefined,
      copiedFrom: originOf(backup, from.vault.location),
      lockWaitMs: to.lockWaitMs,
      observer: quietObserver(log),
    },
    signal,
  );
}

/** The writer's own progress would count the same bytes a second time. */
function quietObserver(log: RunLog): Observer {
  return {
    progress: (progress) => (progress.phase === "store" ? undefined : log.progress(progress)),
    warning: (message) => log.warning(message),
    problem: (problem) => log.problem(problem),
  };
}

interface DatabaseCopy {
  readonly reader: BackupReader;
  readonly writer: BackupWriter;
  readonly images: ImagePlace;
  readonly meter: CopyMeter;
}

/** Its image lies whole and verified in a file of the target's before the writer takes it over. */
async function copyDatabase(
  { reader, writer, images, meter }: DatabaseCopy,
  database: BackupDatabase,
  signal: AbortSignal,
): Promise<void> {
  const imagePath = images.newPath();
  await writeImage(imagePath, reader.readDatabase(database.name, signal), meter);
  const { sha256: _, ...facts } = database;
  const image: DatabaseImage = { ...facts, imagePath };
  await writer.addDatabase(image, signal);
}

async function writeImage(path: string, bytes: AsyncIterable<Uint8Array>, meter: CopyMeter): Promise<void> {
  await using file = await open(path, "wx", 0o600);
  for await (const chunk of bytes) {
    await file.writeFile(chunk);
    meter.read(chunk.length);
  }
}

/** As the source's own summary was, so that the copy is in the same state; with what cannot be copied. */
function summaryOf(backup: Backup, leftOut: readonly Problem[]): BackupSummary {
  const problems = problemsOf(backup);
  return {
    problems: [...problems, ...leftOut],
    problemCount: Math.max(backup.problemCount, problems.length) + leftOut.length,
    suspect: () => suspectReason(backup),
    durationMs: () => backup.durationMs,
  };
}

/** An incomplete backup stays one, also where none of the problems that are kept says why. */
function problemsOf({ state, stateReason, problems }: Backup): readonly Problem[] {
  if (state !== "incomplete" || problems.some(({ kind }) => incompleteKinds.has(kind))) return problems;
  return [{ kind: "unreadable", path: "", message: stateReason }, ...problems];
}

/** Of a damaged one the reason names the damage first. */
function suspectReason({ suspect, stateReason }: Backup): string {
  if (suspect !== true) return "";
  return stateReason.split("it is suspect as well: ").at(-1) ?? stateReason;
}

async function pinCopy(to: OperationContext, copy: Backup, signal: AbortSignal): Promise<Backup> {
  await to.vault.records.add(
    {
      kind: "pinned",
      backupId: copy.id,
      at: isoWithOffset(to.clock.now()),
      host: to.machine.owner.host,
      message: "",
    },
    signal,
  );
  return { ...copy, pinned: true };
}
