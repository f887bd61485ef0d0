/**
 * Makes a repository, or opens one with a password. Source: restic
 * `doc/design.rst`, "Repository Format" and "Keys, Encryption and MAC".
 *
 * @module
 */

import { randomBytes } from "node:crypto";
import type { Clock } from "../../domain/clock.ts";
import { BackupError, errorText, isBackupError } from "../../domain/error.ts";
import type { ThisMachine } from "../../domain/run-owner.ts";
import { encodeConfig, parseConfig } from "../../format/restic/config.ts";
import { newMasterKey, openBox, sealBox } from "../../format/restic/crypto-box.ts";
import type { ScryptCost } from "../../format/restic/keys.ts";
import type { ConfigDocument, MasterKey, ObjectId } from "../../format/restic/model.ts";
import { isIrreducible, randomPolynomial } from "../../format/restic/polynomial.ts";
import { readAll } from "../../storage/read-all.ts";
import type { Storage } from "../../storage/storage.ts";
import { addKey, findKey, loadKeys, type OpenedKey } from "./key-files.ts";
import { configName, documentName, isObjectId } from "./objects.ts";
import type { Repository } from "./repository.ts";
import { makeSnapshotsFolder } from "./snapshots-folder.ts";

/** 155 bytes are what restic writes. */
const configSizeBytesMax = 64 * 1024;

/** Names looked at to judge a place that is to become a repository. */
const namesSeenMax = 10_000;

export interface RepositoryOptions {
  readonly storage: Storage;
  readonly password: string;
  readonly machine: ThisMachine;
  readonly clock: Clock;
  readonly toolVersion: string;
  /** Called when another thread has begun to derive a key from the password, which takes half a second. */
  readonly meanwhile?: (() => Promise<unknown>) | undefined;
}

export interface CreateRepositoryOptions extends RepositoryOptions {
  /** For tests: a key that is cheaper to open than any real one. */
  readonly keyCost?: ScryptCost | undefined;
}

/** Tells whether a repository is there, whatever its version and keys. */
export async function isRepository(storage: Storage, signal: AbortSignal): Promise<boolean> {
  return (await storage.stat(configName, signal)) !== undefined;
}

/**
 * Makes a repository of version 2: the key first, `config` last, so that there is no
 * repository before it can be opened (I1). A creation that was interrupted is gone on with.
 *
 * @throws {BackupError} `exists` if there is a repository; `invalid-input` if something else is there
 */
export async function createRepository(
  options: CreateRepositoryOptions,
  signal: AbortSignal,
): Promise<Repository> {
  const { storage } = options;
  await assertPlaceIsFree(storage, signal);
  const { keyId, key, isNew } = await firstKey(options, signal);
  const config: ConfigDocument = {
    version: 2,
    id: randomBytes(32).toString("hex"),
    chunkerPolynomial: randomPolynomial(),
  };
  const box = sealBox(key, encodeConfig(config));
  await makeSnapshotsFolder(storage, signal);
  try {
    await storage.put(configName, box, signal);
  } catch (error) {
    if (!isBackupError(error, "exists")) throw error;
    const there = await readConfig(storage, signal);
    // An answer was lost, and this was the second try.
    if (!there.equals(box)) {
      // A key of ours would open nothing, and mislead restic; unless the faster one took it for its own.
      const isUsed = openOrUndefined(key, there) !== undefined;
      if (isNew && !isUsed) await storage.remove([documentName("keys", keyId)], signal);
      throw alreadyThere(storage, error);
    }
  }
  return repositoryOf(options, { keyId, key }, config);
}

/**
 * Opens a repository of version 1 or 2.
 *
 * @throws {BackupError} `not-found` where there is none; `wrong-password`; `unsupported` if it is of a
 *   newer version; `damaged`
 */
export async function openRepository(options: RepositoryOptions, signal: AbortSignal): Promise<Repository> {
  const { storage, password, machine, meanwhile } = options;
  const [box, keys] = await Promise.all([readConfig(storage, signal), loadKeys(options, signal)]);
  let opened = false;
  let config: Buffer | undefined;
  const accepted = (key: MasterKey): boolean => {
    opened = true;
    config = openOrUndefined(key, box);
    return config !== undefined;
  };
  const finding = findKey(keys, password, { host: machine.owner.host, accepted }, signal);
  const [found] = await Promise.all([finding, meanwhile?.()]);
  if (found === undefined || config === undefined) {
    if (opened) throw damagedConfig(storage, "no key that the password opens decrypts it", undefined);
    if (keys.keys.length === 0) throw noKeys(storage);
    throw wrongPassword(storage, keys.unreadable[0]?.id);
  }
  return repositoryOf(options, found, parseKnownConfig(storage, config));
}

function repositoryOf(options: RepositoryOptions, opened: OpenedKey, config: ConfigDocument): Repository {
  const { storage, machine, clock, toolVersion } = options;
  return { storage, ...opened, config, machine, clock, toolVersion };
}

function openOrUndefined(key: MasterKey, box: Uint8Array): Buffer | undefined {
  try {
    return openBox(key, box);
  } catch (error) {
    if (isBackupError(error, "damaged")) return undefined;
    throw error;
  }
}

function parseKnownConfig(storage: Storage, plain: Buffer): ConfigDocument {
  let config: ConfigDocument;
  try {
    config = parseConfig(plain);
  } catch (error) {
    if (isBackupError(error, "damaged")) throw damagedConfig(storage, errorText(error), error);
    throw error;
  }
  // Chunks would be cut badly, and restic refuses it too.
  if (isIrreducible(config.chunkerPolynomial)) return config;
  throw damagedConfig(storage, "its polynomial can be divided", undefined);
}

async function readConfig(storage: Storage, signal: AbortSignal): Promise<Buffer> {
  try {
    return await readAll(storage, configName, configSizeBytesMax, signal);
  } catch (error) {
    throw isBackupError(error, "not-found") ? noRepository(storage, error) : error;
  }
}

/** Also the key of a creation that ended before its config, if the password opens it. */
async function firstKey(
  options: CreateRepositoryOptions,
  signal: AbortSignal,
): Promise<OpenedKey & { readonly isNew: boolean }> {
  const { storage, password, keyCost: cost, machine } = options;
  const keys = await loadKeys(options, signal);
  const found = await findKey(keys, password, { host: machine.owner.host, accepted: () => true }, signal);
  if (found !== undefined) return { ...found, isNew: false };
  if (keys.keys.length > 0) {
    throw new BackupError(
      "invalid-input",
      `Cannot make a repository in ${storage.location}: one was begun there with another password`,
      { hint: "Use that password, or remove the folder keys if nobody is making a repository there." },
    );
  }
  const key = newMasterKey();
  const keyId: ObjectId = await addKey(options, key, { password, cost }, signal);
  return { keyId, key, isNew: true };
}

async function assertPlaceIsFree(storage: Storage, signal: AbortSignal): Promise<void> {
  if (await isRepository(storage, signal)) throw alreadyThere(storage, undefined);
  let seen = 0;
  for await (const { name } of storage.list("", signal)) {
    signal.throwIfAborted();
    if (!isHarmless(name)) {
      throw new BackupError(
        "invalid-input",
        `Cannot make a repository in ${storage.location}: other files are in it, such as ${name}`,
        { hint: "Choose a folder that is empty or not there yet." },
      );
    }
    if (++seen >= namesSeenMax) return;
  }
}

/** The log of `backup.sh`, what systems and editors leave, and the keys of a creation that was interrupted. */
function isHarmless(name: string): boolean {
  if (name.startsWith("keys/")) return isObjectId(name.slice("keys/".length));
  if (name.startsWith(".vertex/")) return false;
  return name.startsWith(".") || name.startsWith("backup.log") || name.startsWith("lost+found/");
}

function alreadyThere(storage: Storage, cause: unknown): BackupError {
  return new BackupError("exists", `Cannot make a repository in ${storage.location}: there is one already`, {
    cause,
    hint: "Use it as it is, or choose another place.",
  });
}

function noRepository(storage: Storage, cause: unknown): BackupError {
  return new BackupError("not-found", `Cannot open the repository ${storage.location}: there is none`, {
    cause,
    hint: "Make one with init, or check the path.",
  });
}

/** @param unreadable A key that may be the one the password is of */
function wrongPassword(storage: Storage, unreadable: ObjectId | undefined): BackupError {
  const hint = "Check where the password comes from: a file, a command, the environment.";
  return new BackupError("wrong-password", `Cannot open the repository ${storage.location}: wrong password`, {
    hint: unreadable === undefined ? hint : `${hint} The file keys/${unreadable} cannot be read.`,
  });
}

function noKeys(storage: Storage): BackupError {
  return new BackupError("damaged", `Cannot open the repository ${storage.location}: it has no keys`, {
    hint: "Put a file back into its folder keys, for example from the recovery kit or a copy of the repository.",
  });
}

function damagedConfig(storage: Storage, state: string, cause: unknown): BackupError {
  return new BackupError(
    "damaged",
    `Cannot open the repository ${storage.location}: its config is damaged: ${state}`,
    { cause, hint: "Put the file config back from a copy of the repository." },
  );
}
