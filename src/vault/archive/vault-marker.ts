/**
 * `.vertex/vault.json`, which says that a folder is an archive vault and of which
 * version; and the judgement of a folder that has none.
 *
 * @module
 */

import { randomUUID } from "node:crypto";
import { type Clock, isoWithOffset } from "../../domain/clock.ts";
import { BackupError, isBackupError } from "../../domain/error.ts";
import { backupFolders, parseObjectName } from "../../format/archive/file-names.ts";
import { MetadataFields } from "../../format/archive/metadata-fields.ts";
import { checkSeal, encodeSealed } from "../../format/archive/sealed-document.ts";
import { Reserve, reserveFolder } from "./reserve.ts";
import { readAll } from "../../storage/read-all.ts";
import type { Storage } from "../../storage/storage.ts";

export const markerName: string = ".vertex/vault.json";

/** How a vault gets its marker back. */
export const markerRemedy: string = "the next create writes a new one, and the backups stay as they are";
const markerVersion = 1;
const markerSizeBytesMax = 64 * 1024;

/** Names looked at to judge a folder; a vault or something else shows itself long before. */
const namesSeenMax = 10_000;

export interface MarkerOptions {
  readonly storage: Storage;
  readonly clock: Clock;
  readonly toolVersion: string;
  readonly create: boolean;
}

/**
 * Makes sure that the storage is an archive vault this version can use.
 *
 * An empty storage becomes one if `create` says so. A folder of the Python original
 * is one already; it gets its marker when it is first opened to create in. Read-only
 * storages are never written to.
 * * @returns Whether there is a marker now
 * @throws {BackupError} `not-found` if there is no vault; `unsupported` if a newer
 *   version made it; `invalid-input` if something else is there
 */
export async function checkVaultMarker(options: MarkerOptions, signal: AbortSignal): Promise<boolean> {
  const { storage, create } = options;
  if (await hasMarker(storage, signal)) return true;
  const content = await judgeContent(storage, signal);
  if (content === "something-else") throw somethingElse(storage, undefined);
  if (content === "restic") throw somethingElse(storage, "a restic repository");
  if (content === "empty" && !create) {
    throw new BackupError("not-found", `Cannot open the vault ${storage.location}: there is none`, {
      hint: "Make a first backup with create, or check the path.",
    });
  }
  if (!create || storage.properties.readOnly) return false;
  await putMarker(options, signal);
  return true;
}

/**
 * Whether there was a marker once and there is none now. A folder of the Python original never had one,
 * nor has it the reserve and the contents files that every run of ours makes after the marker.
 */
export async function lacksMarker(storage: Storage, signal: AbortSignal): Promise<boolean> {
  if ((await storage.stat(markerName, signal)) !== undefined) return false;
  for await (const _piece of storage.list(reserveFolder, signal)) return true;
  for (const folder of backupFolders) {
    for await (const { name } of storage.list(folder, signal)) {
      if (parseObjectName(name)?.role === "contents") return true;
    }
  }
  return false;
}

async function hasMarker(storage: Storage, signal: AbortSignal): Promise<boolean> {
  let bytes: Buffer;
  try {
    bytes = await readAll(storage, markerName, markerSizeBytesMax, signal);
  } catch (error) {
    if (isBackupError(error, "not-found")) return false;
    throw error;
  }
  checkVersion(bytes, storage.location);
  return true;
}

function checkVersion(bytes: Buffer, location: string): void {
  const seal = checkSeal(bytes);
  let version: number;
  try {
    // Before the version is believed: a flipped bit makes another one of it.
    if (seal === "changed") throw new SyntaxError(`${markerName} does not match its own checksum`);
    const fields = new MetadataFields(JSON.parse(bytes.toString("utf8")), markerName);
    version = fields.wholeFrom("format_version", 1);
    if (seal === "unsealed" && version <= markerVersion) {
      throw new SyntaxError(`${markerName} has no checksum of its own`);
    }
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    throw unreadableMarker(location, error);
  }
  if (version > markerVersion) {
    throw new BackupError(
      "unsupported",
      `Cannot open the vault ${location}: it has format version ${version}, wanted at most ${markerVersion}`,
      { hint: "A newer vertex-backup made it; upgrade this one." },
    );
  }
}

function unreadableMarker(location: string, cause: unknown): BackupError {
  return new BackupError("damaged", `Cannot open the vault ${location}: ${markerName} is damaged`, {
    cause,
    hint: `Move ${markerName} away; ${markerRemedy}.`,
  });
}

type Content = "empty" | "vault" | "restic" | "something-else";

async function judgeContent(storage: Storage, signal: AbortSignal): Promise<Content> {
  const firstComponents = new Set<string>();
  let seen = 0;
  for await (const { name } of storage.list("", signal)) {
    signal.throwIfAborted();
    if (parseObjectName(name) !== undefined || name.startsWith(".vertex/")) return "vault";
    firstComponents.add(name.split("/")[0] ?? name);
    if (++seen >= namesSeenMax) break;
  }
  if (firstComponents.has("config") && (firstComponents.has("keys") || firstComponents.has("data")))
    return "restic";
  return [...firstComponents].every(isHarmless) ? "empty" : "something-else";
}

/** What may lie in a folder that is to become a vault: the log of `backup.sh`, and what systems and editors leave. */
function isHarmless(name: string): boolean {
  return name.startsWith(".") || name.startsWith("backup.log") || name === "lost+found";
}

function somethingElse(storage: Storage, what: string | undefined): BackupError {
  const state = what === undefined ? "other files are in it" : `it is ${what}`;
  return new BackupError("invalid-input", `Cannot use ${storage.location} as an archive vault: ${state}`, {
    hint: "Choose a folder that is empty or not there yet.",
  });
}

/** Writes the marker, unless another run has meanwhile, and the reserve. */
export async function putMarker(options: Omit<MarkerOptions, "create">, signal: AbortSignal): Promise<void> {
  const marker = {
    format_version: markerVersion,
    id: randomUUID(),
    created_at: isoWithOffset(options.clock.now()),
    tool_version: options.toolVersion,
  };
  try {
    await options.storage.put(markerName, encodeSealed(marker), signal);
    await new Reserve(options.storage).fill(signal);
  } catch (error) {
    if (!isBackupError(error, "exists")) throw error;
    // Another run was faster; it may be of another version.
    await hasMarker(options.storage, signal);
  }
}
