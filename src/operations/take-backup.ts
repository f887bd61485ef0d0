/**
 * Takes one backup into the vault: databases first, then files, visible at the very
 * end (I1). Knows nothing of rotation; `back-up.ts` and safety backups build on it.
 *
 * @module
 */

import type { Backup, BackupType } from "../domain/backup.ts";
import { BackupError } from "../domain/error.ts";
import { lastTrusted, otherHostWarning, type SourceFacts, suspectReason } from "../domain/guard.ts";
import type { DatabaseCapturer } from "../source/capture/database-capturer.ts";
import { ReferenceCheck } from "../source/folder/reference-check.ts";
import { entriesWorthThread } from "../source/folder/walk-thread.ts";
import type { BackupWriter, ExpectedImage } from "../vault/vault.ts";
import { type CapturedDatabase, captureDatabases } from "./capture-databases.ts";
import { collectReferences } from "./collect-references.ts";
import type { OperationContext } from "./context.ts";
import { type ImagePlace, openImagePlace } from "./image-place.ts";
import { refuseTwins } from "./refuse-twins.ts";
import type { DatabaseSource, Source } from "./requests.ts";
import type { RunLog } from "./run-log.ts";
import { ScanProgress } from "./scan-progress.ts";
import { openScratch } from "./scratch.ts";
import { gatherFacts } from "./source-facts.ts";
import { checkSpace } from "./space-check.ts";
import { type StoredFolder, storeFolders } from "./store-folders.ts";
import { skippedPaths, WalkAhead, walkOptions } from "./walk-ahead.ts";

export interface BackupJob {
  readonly source: Source;
  readonly type: BackupType;
  /** Taken before a restore: never suspect, never rotated. */
  readonly safety: boolean;
  readonly tags: readonly string[];
  readonly check: "quick_check" | "integrity_check";
  /** Gzip level 1 to 9; the format's default when undefined. */
  readonly level: number | undefined;
}

/**
 * Takes the backup and returns it. Cancelled or failed, it leaves nothing a reader can see.
 *
 * @throws {BackupError} `invalid-input` if the source names one thing twice; `source-unavailable` if
 *   nothing of it is there and there is no earlier backup to compare with; `no-space`, `storage-unavailable`, `locked`
 */
export async function takeBackup(
  context: OperationContext,
  job: BackupJob,
  log: RunLog,
  signal: AbortSignal,
): Promise<Backup> {
  const { host } = context.machine.owner;
  const [calledAtMs, startedAtElapsed] = [context.clock.now(), context.clock.elapsed()];
  refuseTwins(sourceOf(job));
  await using capturer = await context.openCapturer();
  if (databasesOf(job).length > 0) capturer.prepare();
  const earlier = await context.vault.list(signal);
  await using scratch = await openScratch(context);
  await using images = await openImagePlace(context, scratch);
  await using run = new AsyncDisposableStack();
  const parent = parentOf(earlier, job);
  const databases = job.type === "storage" ? [] : job.source.databases;
  const ahead = startWalk(context, job, parent);
  run.use(ahead);
  await checkSpace(context, { databases, parent }, log, signal);
  const scan = new ScanProgress(log, parent);
  const writer = await context.vault.begin(
    {
      type: job.type,
      source: job.source.name,
      host,
      // What changed before a backup began is in it, so it began with its walk.
      startedAtMs: Math.min(calledAtMs, ahead?.startedAtMs ?? calledAtMs),
      safety: job.safety,
      tags: job.tags,
      roots: job.type === "database" ? [] : job.source.folders.map(({ name, path }) => ({ name, path })),
      parent: parent?.id,
      level: job.level,
      lockWaitMs: context.lockWaitMs,
      observer: log.forWriter(() => scan.expected()),
    },
    signal,
  );
  run.defer(() => writer.abort());
  const seen = await storeSource(
    context,
    job,
    { writer, capturer, images, parent, ahead, log, scan },
    signal,
  );
  // A process that held a large image takes a while to end; nothing is left for it to do.
  const capturerEnded = capturer[Symbol.asyncDispose]();
  const last = lastTrusted(earlier, job.source.name, job.type);
  const facts = await gatherFacts(context, seen, last, signal);
  refuseIfNothing(job, seen, facts, last);
  const elsewhere = otherHostWarning(facts.paths, { host, source: job.source.name }, last);
  if (elsewhere !== "" && !job.safety) log.warning(elsewhere);
  const backup = await writer.finish(
    {
      problems: log.problems,
      // Read when the last file is stored: until then one that a row names may still turn out to be gone.
      get problemCount() {
        return log.problemCount;
      },
      suspect: (counts, sourceBytes) =>
        job.safety ? "" : suspectReason(facts, { counts, sourceBytes }, last),
      durationMs: () => context.clock.elapsed() - startedAtElapsed,
    },
    signal,
  );
  await capturerEnded;
  return backup;
}

interface Run {
  readonly writer: BackupWriter;
  readonly capturer: DatabaseCapturer;
  readonly images: ImagePlace;
  readonly parent: Backup | undefined;
  readonly ahead: WalkAhead | undefined;
  readonly log: RunLog;
  readonly scan: ScanProgress;
}

interface SeenSource {
  readonly databases: readonly CapturedDatabase[];
  readonly folders: readonly StoredFolder[];
}

async function storeSource(
  context: OperationContext,
  job: BackupJob,
  { writer, capturer, images: place, parent, ahead, log, scan }: Run,
  signal: AbortSignal,
): Promise<SeenSource> {
  const { source, type, check } = job;
  const expect = (imagePath: string): ExpectedImage | undefined => writer.expectDatabase?.(imagePath, signal);
  const capturing = { check, capturer, images: place, expect, log };
  const databases = await captureDatabases(databasesOf(job), capturing, signal);
  const images = databases.flatMap(({ image }) => image ?? []);
  const references = new ReferenceCheck(source.folders, (problem) => log.problem(problem));
  log.onProblem = (problem) => references.noteProblem(problem);
  // Before the writer takes the images over, and before the walk that is to find the files.
  const collecting = { capturer, check: type === "full" ? references : undefined, log };
  await collectReferences(source.references, images, collecting, signal);
  for (const image of images) await writer.addDatabase(image, signal);
  if (type === "database") return { databases, folders: [] };
  const failed = new Set(
    databases.filter(({ image }) => image === undefined).map(({ database }) => database),
  );
  const folders = await storeFolders(
    context,
    source.folders,
    {
      writer,
      capturer,
      images: place,
      // One that could not be captured is stored like any file that is found.
      declaredPaths: source.databases.filter((database) => !failed.has(database)).map(({ path }) => path),
      entriesExpected: entryCount(parent),
      ahead,
      log,
      scan,
      onEntry: (entry) => references.see(entry),
    },
    signal,
  );
  await references.finish(signal);
  return { databases, folders };
}

/** Where there are databases, they are captured before anything is walked. */
function startWalk(
  context: OperationContext,
  job: BackupJob,
  parent: Backup | undefined,
): WalkAhead | undefined {
  if (job.type === "database" || databasesOf(job).length > 0) return undefined;
  const [folder] = job.source.folders;
  if (folder === undefined) return undefined;
  const declared = job.source.databases.map(({ path }) => path);
  const options = walkOptions(folder, skippedPaths(context, declared));
  // A walk that was begun for another backup may not have seen what a restore is about to replace (I4).
  const prepared = job.safety ? undefined : context.takeWalk?.(options);
  if (prepared !== undefined || entryCount(parent) < entriesWorthThread) return prepared;
  return new WalkAhead(options, context.clock);
}

/** 0 where there is no earlier backup. */
function entryCount(parent: Backup | undefined): number {
  if (parent === undefined) return 0;
  const { counts } = parent;
  return counts.files + counts.directories + counts.symlinks;
}

/** What of the source is backed up. */
function sourceOf(job: BackupJob): Pick<Source, "name" | "databases" | "folders"> {
  const { name, folders } = job.source;
  return { name, databases: databasesOf(job), folders: job.type === "database" ? [] : folders };
}

function databasesOf({ source, type }: BackupJob): readonly DatabaseSource[] {
  return type === "storage" ? [] : source.databases;
}

/** The backup to settle unchanged files against: the newest that holds one of the folders and can be read. */
export function parentOf(
  earlier: readonly Backup[],
  job: Pick<BackupJob, "type" | "source">,
): Backup | undefined {
  if (job.type === "database") return undefined;
  const candidates = earlier.filter(
    (backup) =>
      backup.source === job.source.name &&
      // Another program's may bear that name by chance.
      backup.neverRemoved !== true &&
      backup.state !== "unverified" &&
      backup.state !== "damaged" &&
      backup.roots.some((root) =>
        job.source.folders.some((folder) => folder.name === root.name && folder.path === root.path),
      ),
  );
  // A suspect backup may have nothing in it to settle against.
  return candidates.find((backup) => backup.state !== "suspect") ?? candidates[0];
}

/** The first backup of what is not there protects nothing: most likely a path is misspelt. */
function refuseIfNothing(
  job: BackupJob,
  seen: SeenSource,
  { missing }: SourceFacts,
  last: Backup | undefined,
): void {
  if (last !== undefined) return;
  const isThere =
    seen.databases.some(({ image }) => image !== undefined) ||
    seen.folders.some(({ refusal }) => refusal === "");
  if (isThere) return;
  throw new BackupError("source-unavailable", `Cannot back up ${job.source.name}: ${missing.join("; ")}`, {
    hint: seen.databases.some(({ busy }) => busy)
      ? "Let the app give way to readers: PRAGMA locking_mode=NORMAL and short transactions do; or stop it for the backup."
      : "Check that the paths are right, that their disks are mounted and that this user may read them.",
  });
}
