/**
 * What a request for a backup means: which source, which type.
 *
 * @module
 */

import type { BackupType } from "../domain/backup.ts";
import { BackupError } from "../domain/error.ts";
import type { BackUpRequest, Source } from "./requests.ts";

/** @throws {BackupError} `invalid-input` if the source is not configured, or not named where there are several */
export function chooseSource(sources: readonly Source[], name: string | undefined): Source {
  refuseIfNoSource(sources);
  const names = sources.map((source) => source.name).join(", ");
  const [first, second] = sources;
  if (name === undefined) {
    if (first !== undefined && second === undefined) return first;
    throw new BackupError("invalid-input", "Cannot back up: several sources are configured", {
      hint: `Name one of ${names}.`,
    });
  }
  const named = sources.find((source) => source.name === name);
  if (named !== undefined) return named;
  throw new BackupError("invalid-input", `Cannot back up source "${name}": it is not configured`, {
    hint: `Name one of ${names}.`,
  });
}

/**
 * The sources a run over all of them is about. A type of one half leaves out the sources that
 * lack it, so that one schedule serves apps of both kinds; `full` leaves out none, for then
 * something that is there would go without a backup.
 *
 * @throws {BackupError} `invalid-input` if no source is configured, or none has anything of the type
 */
export function chooseSources(
  sources: readonly Source[],
  type: BackupType | undefined,
): { readonly chosen: readonly Source[]; readonly leftOut: readonly Source[] } {
  refuseIfNoSource(sources);
  if (type === undefined || type === "full") return { chosen: sources, leftOut: [] };
  const has = (source: Source): boolean =>
    (type === "database" ? source.databases : source.folders).length > 0;
  const chosen = sources.filter(has);
  if (chosen.length > 0) return { chosen, leftOut: sources.filter((source) => !has(source)) };
  const lacking = lackingFor(type);
  throw new BackupError("invalid-input", `Cannot make ${type} backups: no source has ${lacking}`, {
    hint: `Configure ${lacking}, or ask for another type.`,
  });
}

/** What a source that has nothing of the type is lacking, in words. */
export function lackingFor(type: BackupType | undefined): string {
  return type === "database" ? "databases" : "folders";
}

/** @throws {BackupError} `invalid-input` */
function refuseIfNoSource(sources: readonly Source[]): void {
  if (sources.length > 0) return;
  throw new BackupError("invalid-input", "Cannot back up: no source is configured", {
    hint: "Name databases and folders, on the command line or in the configuration.",
  });
}

/**
 * The type asked for, or else everything the source has.
 *
 * @throws {BackupError} `invalid-input` if the source has nothing of that type
 */
export function chooseType(source: Source, request: Pick<BackUpRequest, "type">): BackupType {
  const hasDatabases = source.databases.length > 0;
  const hasFolders = source.folders.length > 0;
  if (!hasDatabases && !hasFolders) {
    throw new BackupError(
      "invalid-input",
      `Cannot back up ${source.name}: it has no databases and no folders`,
      {
        hint: "Name at least one database or one folder of it.",
      },
    );
  }
  const all = hasDatabases && hasFolders ? "full" : hasDatabases ? "database" : "storage";
  const type = request.type ?? all;
  if (type === all || all === "full") return type;
  const lacking = hasDatabases ? "folders" : "databases";
  throw new BackupError(
    "invalid-input",
    `Cannot make a ${type} backup of ${source.name}: it has no ${lacking}`,
    { hint: `Configure its ${lacking}, or ask for a ${all} backup.` },
  );
}
