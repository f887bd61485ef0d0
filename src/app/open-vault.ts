/**
 * Tells which kind of vault lies in a folder, opens it, or makes one. The only place
 * that knows both formats.
 *
 * @module
 */

import type { Clock } from "../domain/clock.ts";
import { BackupError, isBackupError } from "../domain/error.ts";
import { loadAccountNames } from "../source/folder/account-names.ts";
import { openLocalStorage } from "../storage/local-storage.ts";
import type { Storage } from "../storage/storage.ts";
import { readThisMachine } from "../storage/this-machine.ts";
import { openArchiveVault } from "../vault/archive/archive-vault.ts";
import type { Vault, VaultFormat } from "../vault/vault.ts";
import { hasVaultMarker } from "./known-vaults.ts";
import { toolVersion } from "./tool-version.ts";

/** Where a vault is or is to be, and how its password is had. */
export interface VaultPlace {
  /** Absolute. */
  readonly directory: string;
  readonly clock: Clock;
  /** Asked only for repositories. @param again The one before was wrong */
  readonly password: (purpose: PasswordPurpose) => Promise<string>;
  /** May somebody give another password after a wrong one? */
  readonly canAskAgain: boolean;
  /** What a restore needs is got ready while the vault is opened. */
  readonly forRestore?: boolean;
}

/** What a password is for: to open what is there, to try once more, or for a new repository. */
export type PasswordPurpose = "open" | "again" | "new";

/** As restic: a typing error is forgiven twice. */
const triesMax = 3;

/**
 * The kind of the vault in a folder, or undefined where nothing keeps a vault from being made.
 *
 * @throws {BackupError} `invalid-input` if something else is there; `damaged` for a repository without its config
 */
export async function findVault(
  { directory, clock }: VaultPlace,
  signal: AbortSignal,
): Promise<VaultFormat | undefined> {
  if (await hasVaultMarker(directory)) return "archive";
  try {
    const storage = await openLocalStorage(directory, { create: false, machine: readThisMachine() });
    if (await holdsRepository(storage, signal)) return "repository";
    // The folder of the Python original is an archive vault without a marker.
    await using _vault = await archiveVault(clock, storage, false, signal);
    return "archive";
  } catch (error) {
    if (isBackupError(error, "not-found")) return undefined;
    throw error;
  }
}

/**
 * Opens the vault that is there.
 *
 * @param forCreate A backup is going to be made: what a vault needs for that is made in its folder
 * @throws {BackupError} `not-found` if there is none and none of plain files can be begun;
 *   `wrong-password`, `unsupported`, `damaged`, `invalid-input`
 */
export async function openVault(place: VaultPlace, forCreate: boolean, signal: AbortSignal): Promise<Vault> {
  const storage = await openLocalStorage(place.directory, { create: forCreate, machine: readThisMachine() });
  const isArchive = await hasVaultMarker(place.directory);
  return !isArchive && (await holdsRepository(storage, signal))
    ? await openRepository({ ...place, forCreate }, storage, signal)
    : await archiveVault(place.clock, storage, forCreate, signal);
}

/** Makes a vault where {@link findVault} found none, and opens it. */
export async function makeVault(place: VaultPlace, format: VaultFormat, signal: AbortSignal): Promise<Vault> {
  if (format === "archive") return await openVault(place, true, signal);
  // Before anything is made: without a password there is to be nothing.
  const password = await place.password("new");
  const storage = await openLocalStorage(place.directory, { create: true, machine: readThisMachine() });
  return await repositoryVault({ ...place, password: async () => password }, storage, true, signal);
}

function archiveVault(clock: Clock, storage: Storage, create: boolean, signal: AbortSignal): Promise<Vault> {
  const machine = readThisMachine();
  return openArchiveVault(
    { storage, machine, clock, toolVersion, create, ownerNames: loadAccountNames() },
    signal,
  );
}

async function openRepository(
  place: VaultPlace & { readonly forCreate: boolean },
  storage: Storage,
  signal: AbortSignal,
): Promise<Vault> {
  for (let tries = 1; ; tries++) {
    signal.throwIfAborted();
    const purpose = tries === 1 ? "open" : "again";
    const given = { ...place, password: () => place.password(purpose) };
    try {
      return await repositoryVault(given, storage, false, signal);
    } catch (error) {
      if (!isBackupError(error, "wrong-password") || !place.canAskAgain || tries === triesMax) throw error;
    }
  }
}

async function repositoryVault(
  place: Pick<VaultPlace, "clock" | "forRestore"> & {
    readonly password: () => Promise<string>;
    readonly forCreate?: boolean;
  },
  storage: Storage,
  create: boolean,
  signal: AbortSignal,
): Promise<Vault> {
  // Loaded on use: an archive vault needs none of it.
  const { openRepositoryVault } = await import("../vault/repository/repository-vault.ts");
  const { clock, password, forCreate, forRestore = false } = place;
  const meanwhile = async (): Promise<void> => {
    if (forCreate === true) await loadForBackup();
    if (forRestore) await import("../operations/restore/restore.ts");
  };
  const machine = readThisMachine();
  const ownerNames = loadAccountNames();
  return await openRepositoryVault(
    { storage, password, machine, clock, toolVersion, create, ownerNames, meanwhile, forRestore },
    signal,
  );
}

/** What a backup is going to need; loading it takes a fifth as long as deriving the key. */
async function loadForBackup(): Promise<void> {
  await Promise.all([
    import("../operations/back-up.ts"),
    import("../source/capture/database-capturer.ts"),
    import("../vault/repository/backup-writer.ts"),
    import("../vault/repository/clean.ts"),
    import("../vault/repository/list-backups.ts"),
  ]);
}

/** @throws {BackupError} `damaged` where only the config is missing */
async function holdsRepository(storage: Storage, signal: AbortSignal): Promise<boolean> {
  const hasConfig = (await storage.stat("config", signal)) !== undefined;
  const hasKeys = await holds(storage, "keys/", signal);
  if (hasConfig && hasKeys) return true;
  const hasData = await holds(storage, "data/", signal);
  if (hasConfig || !hasKeys || !hasData) return hasConfig && hasData;
  throw new BackupError(
    "damaged",
    `Cannot open the repository ${storage.location}: its file config is missing`,
    {
      hint: "Put it back from a copy of the repository; without it nothing can be read.",
    },
  );
}

async function holds(storage: Storage, prefix: string, signal: AbortSignal): Promise<boolean> {
  for await (const _first of storage.list(prefix, signal)) return true;
  return false;
}
