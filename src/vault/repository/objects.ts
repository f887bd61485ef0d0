/**
 * The files of a repository that are one encrypted document each: indexes,
 * snapshots, locks. Their names are the SHA-256 of their bytes. Source: restic
 * `doc/design.rst`, "Repository Format" and "Unpacked Data Format".
 *
 * @module
 */

import { hash } from "node:crypto";
import { BackupError, isBackupError } from "../../domain/error.ts";
import { compress, decompress } from "../../encode/zstd.ts";
import { openBox, sealBox } from "../../format/restic/crypto-box.ts";
import type { ObjectId } from "../../format/restic/model.ts";
import { readAll } from "../../storage/read-all.ts";
import type { Storage } from "../../storage/storage.ts";
import { requireNoLinks } from "./data-folders.ts";
import type { Repository } from "./repository.ts";

export type DocumentKind = "index" | "snapshots" | "locks";
export type ObjectKind = DocumentKind | "keys" | "data";

/** Without it nothing can be read: it says which key is the repository's. */
export const configName = "config";

/** First byte of a document that is compressed; one that is not begins like JSON. */
const compressedMark = 2;

/** Bytes a document may have, stored and plain: many times what any program writes, and still no bomb. */
const sizeBytesMax: Readonly<Record<DocumentKind, number>> = {
  // 50,000 blobs take 12 MB; old versions of restic wrote larger ones when they made an index again.
  index: 256 * 1024 * 1024,
  snapshots: 64 * 1024 * 1024,
  locks: 256 * 1024,
};

const idPattern = /^[0-9a-f]{64}$/;

/** A file as a listing shows it. */
export interface ListedObject {
  readonly id: ObjectId;
  readonly sizeBytes: number;
  /** By the storage's clock. */
  readonly modifiedAtMs: number;
}

export function isObjectId(text: string): text is ObjectId {
  return idPattern.test(text);
}

/** Name of a document or key file in the storage. */
export function documentName(kind: Exclude<ObjectKind, "data">, id: ObjectId): string {
  return `${kind}/${id}`;
}

/** Name of a pack in the storage. */
export function packName(id: ObjectId): string {
  return `data/${id.slice(0, 2)}/${id}`;
}

/**
 * Everything of one kind, in no promised order. What has no proper name is passed over, as restic does.
 *
 * @throws {BackupError} `unsafe` where links are in the way
 */
export async function listObjects(
  repo: Pick<Repository, "storage">,
  kind: ObjectKind,
  signal: AbortSignal,
): Promise<readonly ListedObject[]> {
  const found: ListedObject[] = [];
  if (kind === "data") await requireNoLinks(repo.storage, signal);
  for await (const { name, sizeBytes, modifiedAtMs } of repo.storage.list(`${kind}/`, signal)) {
    signal.throwIfAborted();
    const id = name.slice(name.lastIndexOf("/") + 1);
    const expected = kind === "data" ? packName(id) : documentName(kind, id);
    if (isObjectId(id) && name === expected) found.push({ id, sizeBytes, modifiedAtMs });
  }
  return found;
}

/**
 * The plain JSON of a document, after its name's hash and its MAC were checked (I6).
 *
 * @throws {BackupError} `not-found`; `damaged`
 */
export async function loadObject(
  repo: Pick<Repository, "storage" | "key" | "config">,
  kind: DocumentKind,
  id: ObjectId,
  signal: AbortSignal,
): Promise<Buffer> {
  const name = documentName(kind, id);
  const stored = await readHashed(repo.storage, name, sizeBytesMax[kind], signal);
  try {
    return unpack(openBox(repo.key, stored), repo.config.version, sizeBytesMax[kind]);
  } catch (error) {
    throw isBackupError(error, "damaged") ? damagedDocument(name, error) : error;
  }
}

/**
 * A small file whole, after the hash in its name was checked.
 *
 * @throws {BackupError} `not-found`; `damaged` if the bytes are not those of the name
 */
export async function readHashed(
  storage: Pick<Storage, "get">,
  name: string,
  bytesMax: number,
  signal: AbortSignal,
): Promise<Buffer> {
  const bytes = await readAll(storage, name, bytesMax, signal);
  if (hash("sha256", bytes, "hex") !== name.slice(name.lastIndexOf("/") + 1)) {
    throw new BackupError("damaged", `Cannot read ${name}: its bytes do not match its name`);
  }
  return bytes;
}

function unpack(plain: Buffer, version: number, bytesMax: number): Buffer {
  const first = plain[0];
  if (version < 2 || first === 0x7b || first === 0x5b) return plain;
  if (first === compressedMark) return decompress(plain.subarray(1), bytesMax);
  throw new BackupError("damaged", "Cannot read a document: it is in an unknown format");
}

function damagedDocument(name: string, cause: BackupError): BackupError {
  const state = cause.message.slice(cause.message.indexOf(": ") + 2);
  return new BackupError("damaged", `Cannot read ${name}: ${state}`, { cause });
}

/** A document ready to be stored, whose name is therefore known before it is. */
export interface SealedDocument {
  readonly id: ObjectId;
  readonly bytes: Buffer;
}

/** Encrypts a document under a fresh nonce: twice the same JSON gives two names. */
export function sealDocument(repo: Pick<Repository, "key" | "config">, json: Uint8Array): SealedDocument {
  const plain =
    repo.config.version < 2 ? json : Buffer.concat([Buffer.from([compressedMark]), compress(json)]);
  const bytes = sealBox(repo.key, plain);
  return { id: hash("sha256", bytes, "hex"), bytes };
}

/** Stores a sealed document; durable and visible on return. Storing the very same bytes again succeeds. */
export async function putDocument(
  repo: Pick<Repository, "storage">,
  kind: DocumentKind,
  document: SealedDocument,
  signal: AbortSignal,
): Promise<void> {
  try {
    await repo.storage.put(documentName(kind, document.id), document.bytes, signal);
  } catch (error) {
    // The name says what the bytes are: an answer was lost, and this is the second try.
    if (!isBackupError(error, "exists")) throw error;
  }
}

/** Encrypts and stores a document. Returns its id when it is durable and visible. */
export async function saveObject(
  repo: Repository,
  kind: DocumentKind,
  json: Uint8Array,
  signal: AbortSignal,
): Promise<ObjectId> {
  const document = sealDocument(repo, json);
  await putDocument(repo, kind, document, signal);
  return document.id;
}

/** Removes documents; those that are gone already count as removed. */
export async function removeObjects(
  repo: Pick<Repository, "storage">,
  kind: ObjectKind,
  ids: readonly ObjectId[],
  signal: AbortSignal,
): Promise<void> {
  const names = ids.map((id) => (kind === "data" ? packName(id) : documentName(kind, id)));
  if (names.length > 0) await repo.storage.remove(names, signal);
}
