/**
 * Remembers in the state folder where vaults were, one small file each. Without
 * that, the empty mount point of a backup disk that is not there looks like a
 * place for a first vault, and backups go to the disk they are to protect from.
 *
 * @module
 */

import { createHash, randomUUID } from "node:crypto";
import { lstat, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { BackupError } from "../domain/error.ts";
import { makeDurableDirectory } from "../storage/local-directories.ts";

/** Where it is remembered that a vault was in `directory`: deleting the file forgets it. */
function knownVaultFile(stateDirectory: string, directory: string): string {
  // A path may be longer than a file's name, so the file is named by a hash and the path is in it, for people.
  const name = createHash("sha256").update(directory).digest("hex").slice(0, 32);
  return join(stateDirectory, "vaults", `${name}.txt`);
}

/** Remembers a vault. Never throws: a state folder that cannot be used must not cost a backup. */
export async function rememberVault(stateDirectory: string, directory: string): Promise<void> {
  const file = knownVaultFile(stateDirectory, directory);
  if (await exists(file)) return;
  const unfinished = `${file}.${randomUUID()}`;
  try {
    await makeDurableDirectory(join(stateDirectory, "vaults"));
    await writeFile(unfinished, `${directory}\n`, { mode: 0o600, flag: "wx" });
    await rename(unfinished, file);
  } catch {
    await rm(unfinished, { force: true }).catch(() => undefined);
  }
}

/**
 * Refuses to make a vault where one has been.
 *
 * @throws {BackupError} `storage-unavailable`
 */
export async function refuseIfKnown(stateDirectory: string, directory: string): Promise<void> {
  const file = knownVaultFile(stateDirectory, directory);
  if (!(await exists(file))) return;
  throw new BackupError(
    "storage-unavailable",
    `Cannot open the vault ${directory}: there was one, and now there is none`,
    { hint: knownHint(file) },
  );
}

/** The error that a vault is not there, with a hint that does not send people to `create` where that would refuse. */
export async function explainMissing(
  stateDirectory: string,
  directory: string,
  missing: BackupError,
): Promise<BackupError> {
  const file = knownVaultFile(stateDirectory, directory);
  if (!(await exists(file))) return missing;
  return new BackupError(missing.kind, missing.message, { cause: missing, hint: knownHint(file) });
}

function knownHint(file: string): string {
  return `Check whether the disk it is on is mounted. To make a new vault there, delete ${file} first.`;
}

/** A quick look that answers for nearly every vault; false proves nothing. */
export async function hasVaultMarker(directory: string): Promise<boolean> {
  return await exists(join(directory, ".vertex", "vault.json"));
}

/** False also where it cannot be told. */
async function exists(path: string): Promise<boolean> {
  return await lstat(path).then(
    () => true,
    () => false,
  );
}
