/**
 * The files of `keys/`: reading all of them, trying a password on them, adding one.
 *
 * @module
 */

import { hash } from "node:crypto";
import { BackupError, isBackupError } from "../../domain/error.ts";
import {
  encodeKeyFile,
  openKeyFile,
  parseKeyFile,
  type ScryptCost,
  sealKeyFile,
} from "../../format/restic/keys.ts";
import type { KeyDocument, MasterKey, ObjectId } from "../../format/restic/model.ts";
import { formatTime } from "../../format/restic/times.ts";
import { boundedMap } from "../bounded-map.ts";
import { failureOfFile } from "./input-failure.ts";
import { documentName, listObjects, readHashed } from "./objects.ts";
import type { Repository } from "./repository.ts";
import { readThisUser } from "./this-user.ts";

/** A password is tried on so many keys at most, as restic does: each takes about half a second on purpose. */
const triedMax = 20;

/** A repository with more key files was not made by people. */
const listedMax = 1_000;

const keySizeBytesMax = 64 * 1024;

interface StoredKey {
  readonly id: ObjectId;
  readonly document: KeyDocument;
}

export interface StoredKeys {
  readonly keys: readonly StoredKey[];
  /** Files that are no keys this version can read, or that the disk cannot read. */
  readonly unreadable: readonly { readonly id: ObjectId; readonly error: BackupError }[];
}

/** Reads all key files. Fails only where the storage does. */
export async function loadKeys(repo: Pick<Repository, "storage">, signal: AbortSignal): Promise<StoredKeys> {
  const listed = (await listObjects(repo, "keys", signal)).slice(0, listedMax);
  const keys: StoredKey[] = [];
  const unreadable: { id: ObjectId; error: BackupError }[] = [];
  const loadOne = async (id: ObjectId): Promise<void> => {
    try {
      const bytes = await readHashed(repo.storage, documentName("keys", id), keySizeBytesMax, signal);
      keys.push({ id, document: parseKeyFile(bytes) });
    } catch (error) {
      if (isBackupError(error, "unsupported", "unsafe")) unreadable.push({ id, error });
      // A key that was removed meanwhile opens nothing.
      else if (!isBackupError(error, "not-found"))
        unreadable.push({ id, error: await failureOfFile(repo.storage, error, signal) });
    }
  };
  await boundedMap(listed, ({ id }) => loadOne(id), signal);
  return { keys, unreadable };
}

/** What a password opens. */
export interface OpenedKey {
  readonly keyId: ObjectId;
  readonly key: MasterKey;
}

/**
 * Tries a password on the keys, those of this host first, until one opens and is `accepted`.
 *
 * @param accepted Tells whether the master key is the repository's: an interrupted creation may have left another
 */
export async function findKey(
  { keys, unreadable }: StoredKeys,
  password: string,
  options: { readonly host: string; readonly accepted: (key: MasterKey) => boolean },
  signal: AbortSignal,
): Promise<OpenedKey | undefined> {
  const isLocal = ({ document }: StoredKey): number => (document.hostname === options.host ? 0 : 1);
  for (const { id, document } of keys.toSorted((a, b) => isLocal(a) - isLocal(b)).slice(0, triedMax)) {
    signal.throwIfAborted();
    const key = await tryKey(document, password);
    if (key !== undefined && options.accepted(key)) return { keyId: id, key };
  }
  signal.throwIfAborted();
  const [first] = unreadable;
  // With a key file that nobody can read, nobody can say that the password is wrong.
  if (keys.length === 0 && first !== undefined) throw first.error;
  return undefined;
}

async function tryKey(document: KeyDocument, password: string): Promise<MasterKey | undefined> {
  try {
    return await openKeyFile(document, password);
  } catch (error) {
    // One file with impossible numbers does not keep the others from opening.
    if (isBackupError(error, "damaged", "unsafe", "unsupported")) return undefined;
    throw error;
  }
}

export interface NewKey {
  readonly password: string;
  /** This user's and this machine's where undefined. */
  readonly username?: string | undefined;
  readonly host?: string | undefined;
  /** For tests: weaker than any production key. */
  readonly cost?: ScryptCost | undefined;
}

/** Seals the master key under a password and stores the file. Returns its id when it is durable. */
export async function addKey(
  repo: Pick<Repository, "storage" | "machine" | "clock">,
  master: MasterKey,
  wanted: NewKey,
  signal: AbortSignal,
): Promise<ObjectId> {
  if (wanted.password === "") {
    throw new BackupError("invalid-input", "Cannot add a key: its password is empty", {
      hint: "Choose a password; anyone could open the repository without one.",
    });
  }
  const who = {
    created: formatTime(BigInt(repo.clock.now()) * 1_000_000n),
    username: wanted.username ?? readThisUser().username,
    hostname: wanted.host ?? repo.machine.owner.host,
  };
  const bytes = encodeKeyFile(await sealKeyFile(master, wanted.password, who, wanted.cost));
  const id = hash("sha256", bytes, "hex");
  signal.throwIfAborted();
  await repo.storage.put(documentName("keys", id), bytes, signal);
  return id;
}
