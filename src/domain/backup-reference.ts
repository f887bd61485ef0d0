/**
 * How people name a backup: by its id or the beginning of one, as `latest`, or by
 * the path of one of its files. Pure; `operations/find-backup.ts` looks paths up.
 *
 * @module
 */

import type { Backup, BackupFile, BackupType } from "./backup.ts";
import { isDatedInFuture } from "./clock.ts";
import { BackupError } from "./error.ts";

export interface ReferenceScope {
  readonly source?: string | undefined;
  /** The only source of the configuration: `latest` is of it, once it has a backup, where `source` is not set. */
  readonly configuredSource?: string | undefined;
  readonly type?: BackupType | undefined;
  /** Should `latest` pass over suspect and damaged backups while there is a better one? */
  readonly preferTrusted: boolean;
  /** Milliseconds since 1970: `latest` passes over backups that are dated in the future from then, while there are others. */
  readonly nowMs?: number | undefined;
}

/** Ids shown where a name fits several. */
const candidatesShownMax = 5;

/** Tells whether a reference is meant as a path: ids have no slash and no dot-suffix of a backup file. */
export function isPathReference(reference: string): boolean {
  return reference.includes("/") || /\.(?:db|json|jsonl\.gz|tar(?:\.[a-z0-9]+)?)$/.test(reference);
}

/**
 * The backup that an id, the unique beginning of an id, or `latest` names. What restic calls the snapshot
 * of a backup now is an id too.
 *
 * @param backups As a vault lists them, newest first
 * @throws {BackupError} `not-found`; `invalid-input` if it fits several
 */
export function findBackup<B extends Backup>(
  backups: readonly B[],
  reference: string,
  scope: ReferenceScope,
): B {
  if (reference === "latest") return findLatest(backups, scope);
  const exact =
    backups.find((backup) => backup.id === reference) ??
    backups.find((backup) => backup.snapshotId === reference);
  if (exact !== undefined) return exact;
  const matches =
    reference === ""
      ? []
      : backups.filter(
          ({ id, snapshotId = id }) => abbreviates(reference, id) || abbreviates(reference, snapshotId),
        );
  const [only, second] = matches;
  if (only === undefined) throw noSuchBackup(reference);
  if (second === undefined) return only;
  const shown = matches.slice(0, candidatesShownMax).map((backup) => backup.id);
  throw new BackupError(
    "invalid-input",
    `Cannot choose a backup: ${matches.length} begin with "${reference}"`,
    {
      hint: `Give more of the id, for example one of ${shown.join(", ")}.`,
    },
  );
}

/**
 * `full_20240101_120000` is a whole id, never short for `full_20240101_120000-2`, the one whose
 * name was taken: once the first is rotated away, its id must not silently mean the second.
 */
function abbreviates(reference: string, id: string): boolean {
  return id.startsWith(reference) && !/^-\d+$/.test(id.slice(reference.length));
}

function findLatest<B extends Backup>(backups: readonly B[], scope: ReferenceScope): B {
  // Safety backups and what is not ours or unreadable have to be named: none is what "latest" promises.
  const named = backups.filter((backup) => !backup.safety && backup.state !== "unverified");
  const source = scope.source ?? configuredAmong(named, scope.configuredSource);
  const inScope = named
    .filter((backup) => source === undefined || backup.source === source)
    .filter((backup) => scope.type === undefined || backup.type === scope.type);
  const ours = inScope.filter((backup) => backup.neverRemoved !== true);
  // A repository that only restic has written to has a latest snapshot all the same.
  const candidates = ours.length > 0 ? ours : inScope.filter((backup) => backup.state === "good");
  const sources = [...new Set(candidates.map((backup) => backup.source))];
  if (sources.length > 1) {
    throw new BackupError(
      "invalid-input",
      "Cannot choose the latest backup: the vault holds several sources",
      {
        hint: `Name the source with --source, one of ${sources.toSorted().join(", ")}, or give an id.`,
      },
    );
  }
  // One that was made while the clock was wrong would be the latest until its time has come, for years maybe.
  const { nowMs = Number.POSITIVE_INFINITY } = scope;
  const inOrder = candidates.toSorted(
    (a, b) => Number(isDatedInFuture(a.startedAtMs, nowMs)) - Number(isDatedInFuture(b.startedAtMs, nowMs)),
  );
  const trusted = inOrder.find((backup) => backup.state === "good" || backup.state === "incomplete");
  const chosen = scope.preferTrusted ? (trusted ?? inOrder[0]) : inOrder[0];
  if (chosen !== undefined) return chosen;
  const wanted = [scope.type, "backup", source === undefined ? "" : `of ${source}`];
  throw new BackupError(
    "not-found",
    `Cannot find the latest ${wanted.filter(Boolean).join(" ")}: there is none`,
    backups.length === 0
      ? {}
      : { hint: "There are others, which list shows; name one of them by its id if it is what you want." },
  );
}

/** One that has no backups yet narrows nothing: what the vault holds may be from before it was named so. */
function configuredAmong(backups: readonly Backup[], configured: string | undefined): string | undefined {
  // Another program's may bear that name by chance.
  const isOurs = ({ source, neverRemoved }: Backup): boolean =>
    source === configured && neverRemoved !== true;
  return backups.some(isOurs) ? configured : undefined;
}

/** The backup one of whose files has this name in the vault, and that file. */
export function findByFileName<B extends Backup>(
  backups: readonly B[],
  name: string,
): { readonly backup: B; readonly file: BackupFile } | undefined {
  for (const backup of backups) {
    const file = backup.files.find((candidate) => candidate.name === name);
    if (file !== undefined) return { backup, file };
  }
  return undefined;
}

function noSuchBackup(reference: string): BackupError {
  return new BackupError("not-found", `Cannot find backup "${reference}": no such backup`, {
    hint: "List the backups to see their ids.",
  });
}
