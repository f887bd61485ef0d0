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

/** @throws {BackupError} `invalid-input` */
export function refuseIfNoSource(sources: readonly Source[]): void {
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
