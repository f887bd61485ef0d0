/**
 * Records of a repository vault: small encrypted objects beside what restic knows of,
 * which passes over them. A name says what a record is about and carries a code that
 * only the master key can make, so that listing believes names without reading anything.
 *
 * @module
 */

import { createHmac, hkdfSync, randomBytes, timingSafeEqual } from "node:crypto";
import { isoWithOffset } from "../../domain/clock.ts";
import { BackupError, isBackupError } from "../../domain/error.ts";
import { MetadataFields } from "../../format/archive/metadata-fields.ts";
import { openBox, sealBox } from "../../format/restic/crypto-box.ts";
import type { MasterKey } from "../../format/restic/model.ts";
import { readAll } from "../../storage/read-all.ts";
import { boundedMap } from "../bounded-map.ts";
import { chooseRecords, type RecordName } from "../recorded-facts.ts";
import { isInputFailure } from "../unreadable-file.ts";
import type { RecordFilter, RecordKind, VaultRecord, VaultRecords } from "../vault.ts";
import { isObjectId } from "./objects.ts";
import type { Repository } from "./repository.ts";

const recordsFolder = "vertex-backup/records/";
const recordVersion = 1;
const recordSizeBytesMax = 64 * 1024;

/** What a record says at most; the rest is cut. */
const messageCharactersMax = 2_000;

/** In a name, for a record that belongs to no backup. */
const noBackup = "none";

/** Bytes that make a name unique, and of the code that proves it. */
const uniqueBytes = 8;
const codeBytes = 16;

const namePattern =
  /^((pinned|confirmed|verified|damaged|failed)\+([0-9a-f]{64}|none)\+(\d{1,15})\+[0-9a-f]{16})\+([0-9a-f]{32})$/;

type RecordPlace = Pick<Repository, "storage" | "key">;

/** Reads the names of all records, and no record. Names that were not made with the master key are passed over. */
export async function listRecordNames(
  repo: RecordPlace,
  signal: AbortSignal,
): Promise<readonly RecordName[]> {
  const codeKey = deriveCodeKey(repo.key);
  const names: RecordName[] = [];
  for await (const { name } of repo.storage.list(recordsFolder, signal)) {
    signal.throwIfAborted();
    const parsed = parseRecordName(name, codeKey);
    if (parsed !== undefined) names.push(parsed);
  }
  return names;
}

function parseRecordName(name: string, codeKey: Buffer): RecordName | undefined {
  const match = name.startsWith(recordsFolder) ? namePattern.exec(name.slice(recordsFolder.length)) : null;
  if (match === null) return undefined;
  const [, said = "", kind = "", about = "", at = "", code = ""] = match;
  if (!timingSafeEqual(Buffer.from(code, "hex"), codeOf(said, codeKey))) return undefined;
  return {
    name,
    kind: kind as RecordKind,
    backupId: about === noBackup ? undefined : about,
    atMs: Number(at),
  };
}

/** The master key's parts have one use each; what proves names has a key of its own. */
function deriveCodeKey(key: MasterKey): Buffer {
  return Buffer.from(hkdfSync("sha256", key.encrypt, "", "vertex-backup record names", 32));
}

function codeOf(said: string, codeKey: Buffer): Buffer {
  return createHmac("sha256", codeKey).update(said).digest().subarray(0, codeBytes);
}

/** The record of a name. One whose text is damaged, gone or unreadable still says what its name says. */
export async function readRecord(
  repo: RecordPlace,
  named: RecordName,
  signal: AbortSignal,
): Promise<VaultRecord> {
  return {
    id: named.name,
    kind: named.kind,
    ...(named.backupId === undefined ? {} : { backupId: named.backupId }),
    at: isoWithOffset(named.atMs),
    ...(await readText(repo, named.name, signal)),
  };
}

async function readText(
  repo: RecordPlace,
  name: string,
  signal: AbortSignal,
): Promise<Pick<VaultRecord, "host" | "message">> {
  try {
    return await openText(repo, name, signal);
  } catch (error) {
    if (isBackupError(error, "damaged", "not-found") || isInputFailure(error))
      return { host: "", message: "" };
    throw error;
  }
}

/** @throws {BackupError} `damaged`, `not-found` */
async function openText(
  repo: RecordPlace,
  name: string,
  signal: AbortSignal,
): Promise<Pick<VaultRecord, "host" | "message">> {
  const plain = openBox(repo.key, await readAll(repo.storage, name, recordSizeBytesMax, signal));
  try {
    const fields = new MetadataFields(JSON.parse(plain.toString("utf8")), "record");
    // Its text says whose it is, so that the bytes of another record under this name are noticed.
    if (fields.text("name") !== name) throw new SyntaxError("record is of another name");
    return { host: fields.text("host"), message: fields.text("message", messageCharactersMax) };
  } catch (error) {
    throw error instanceof SyntaxError ? noRecord(name, error) : error;
  }
}

function noRecord(name: string, cause: SyntaxError): BackupError {
  return new BackupError("damaged", `Cannot read ${name}: ${cause.message}`, { cause });
}

export interface DamagedRecord {
  readonly record: RecordName;
  /** `damaged`, or as the disk answered that cannot read it. */
  readonly error: unknown;
}

/** Records whose text is not as it was written. What their names say holds all the same. */
export async function findDamagedRecords(
  repo: RecordPlace,
  signal: AbortSignal,
): Promise<readonly DamagedRecord[]> {
  const damaged: DamagedRecord[] = [];
  const readOne = async (record: RecordName): Promise<void> => {
    try {
      await openText(repo, record.name, signal);
    } catch (error) {
      if (isBackupError(error, "damaged") || isInputFailure(error)) damaged.push({ record, error });
      // One that was removed meanwhile says nothing any more.
      else if (!isBackupError(error, "not-found")) throw error;
    }
  };
  await boundedMap(await listRecordNames(repo, signal), readOne, signal);
  return damaged;
}

/** Writes records anew whose text is damaged, with what their names say, and then removes those (I3). */
export async function repairRecords(repo: RecordPlace, signal: AbortSignal): Promise<void> {
  const records = new RepositoryRecords(repo);
  for (const { record } of await findDamagedRecords(repo, signal)) {
    signal.throwIfAborted();
    const { kind, backupId } = record;
    const about = backupId === undefined ? {} : { backupId };
    await records.add({ kind, ...about, at: isoWithOffset(record.atMs), host: "", message: "" }, signal);
    await repo.storage.remove([record.name], signal);
  }
}

export class RepositoryRecords implements VaultRecords {
  readonly #repo: RecordPlace;

  constructor(repo: RecordPlace) {
    this.#repo = repo;
  }

  async add(record: Omit<VaultRecord, "id">, signal: AbortSignal): Promise<void> {
    const atMs = Date.parse(record.at);
    const about = record.backupId ?? noBackup;
    if (Number.isNaN(atMs) || atMs < 0 || (about !== noBackup && !isObjectId(about))) {
      throw new BackupError(
        "invalid-input",
        `Cannot record ${record.kind} of ${about} at ${record.at}: no such id or time`,
      );
    }
    const said = `${record.kind}+${about}+${atMs}+${randomBytes(uniqueBytes).toString("hex")}`;
    const code = codeOf(said, deriveCodeKey(this.#repo.key)).toString("hex");
    const name = `${recordsFolder}${said}+${code}`;
    const text = {
      format_version: recordVersion,
      name,
      host: record.host.slice(0, messageCharactersMax),
      message: record.message.slice(0, messageCharactersMax),
    };
    const box = sealBox(this.#repo.key, Buffer.from(JSON.stringify(text)));
    await this.#repo.storage.put(name, box, signal);
  }

  async list(signal: AbortSignal, wanted: RecordFilter = {}): Promise<readonly VaultRecord[]> {
    const names = chooseRecords(await listRecordNames(this.#repo, signal), wanted);
    return boundedMap(names, (name) => readRecord(this.#repo, name, signal), signal);
  }

  async remove(records: readonly VaultRecord[], signal: AbortSignal): Promise<void> {
    const codeKey = deriveCodeKey(this.#repo.key);
    for (const { id } of records) {
      // Ids come from callers: nothing but a record may be removed this way.
      if (parseRecordName(id, codeKey) === undefined) throw new RangeError(`not a record: ${id}`);
    }
    const names = records.map((record) => record.id);
    if (names.length > 0) await this.#repo.storage.remove(names, signal);
  }
}
