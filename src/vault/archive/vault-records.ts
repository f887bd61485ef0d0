/**
 * Records: small immutable objects beside the backups. Their names say what they
 * are about, so that `list` needs to read only the few whose text it shows.
 *
 * @module
 */

import { randomBytes } from "node:crypto";
import { isoWithOffset } from "../../domain/clock.ts";
import { BackupError, isBackupError } from "../../domain/error.ts";
import { parseBackupId } from "../../format/archive/file-names.ts";
import { MetadataFields } from "../../format/archive/metadata-fields.ts";
import { checkSeal, encodeSealed } from "../../format/archive/sealed-document.ts";
import { readAll } from "../../storage/read-all.ts";
import type { Storage } from "../../storage/storage.ts";
import type { RecordFilter, RecordKind, VaultRecord, VaultRecords } from "../vault.ts";
import type { PutRun } from "./locks/run-lock.ts";
import { boundedMap } from "../bounded-map.ts";
import { chooseRecords, type RecordName } from "../recorded-facts.ts";

const recordsFolder = ".vertex/records/";
const recordVersion = 1;
const recordSizeBytesMax = 64 * 1024;

/** What a record says at most; the rest is cut. */
const messageCharactersMax = 2_000;

const namePattern =
  /^\.vertex\/records\/(pinned|confirmed|verified|damaged|failed)\+([a-z0-9_-]+)\+(\d{1,15})\+[0-9a-f]{16}\.json$/;

/** In a name, for a record that belongs to no backup. */
const noBackup = "none";

/** Reads the names of all records, and no record. */
export async function listRecordNames(storage: Storage, signal: AbortSignal): Promise<readonly RecordName[]> {
  const names: RecordName[] = [];
  for await (const { name } of storage.list(recordsFolder, signal)) {
    signal.throwIfAborted();
    const parsed = parseRecordName(name);
    if (parsed !== undefined) names.push(parsed);
  }
  return names;
}

function parseRecordName(name: string): RecordName | undefined {
  const match = namePattern.exec(name);
  if (match === null) return undefined;
  const [, kind = "", id = "", at = ""] = match;
  const backupId = parseBackupId(id) === undefined ? undefined : id;
  return { name, kind: kind as RecordKind, backupId, atMs: Number(at) };
}

/** The record of a name. One whose text is damaged or gone still says what its name says. */
export async function readRecord(
  storage: Storage,
  named: RecordName,
  signal: AbortSignal,
): Promise<VaultRecord> {
  const text = await readText(storage, named.name, signal);
  return {
    id: named.name,
    kind: named.kind,
    ...(named.backupId === undefined ? {} : { backupId: named.backupId }),
    at: isoWithOffset(named.atMs),
    ...text,
  };
}

async function readText(
  storage: Storage,
  name: string,
  signal: AbortSignal,
): Promise<Pick<VaultRecord, "host" | "message">> {
  const nothing = { host: "", message: "" };
  try {
    const fields = await openRecord(storage, name, signal);
    if (typeof fields === "string") return nothing;
    return { host: fields.text("host"), message: fields.text("message", messageCharactersMax) };
  } catch (error) {
    if (error instanceof SyntaxError || isBackupError(error, "not-found")) return nothing;
    throw error;
  }
}

/** The document of a record, or what is wrong with it. @throws {SyntaxError} where it makes no sense all the same */
async function openRecord(
  storage: Storage,
  name: string,
  signal: AbortSignal,
): Promise<MetadataFields | string> {
  try {
    const bytes = await readAll(storage, name, recordSizeBytesMax, signal);
    const seal = checkSeal(bytes);
    if (seal === "changed") return "it does not match its own checksum";
    if (seal === "unsealed") return "it does not end in a checksum of its own";
    return new MetadataFields(JSON.parse(bytes.toString("utf8")), "record");
  } catch (error) {
    if (isBackupError(error, "damaged")) return error.message;
    throw error;
  }
}

/**
 * What is wrong with a record's text; empty where it is as it was written, for this very name.
 *
 * @throws {BackupError} `not-found`, `storage-unavailable`
 */
export async function checkRecord(storage: Storage, named: RecordName, signal: AbortSignal): Promise<string> {
  try {
    const fields = await openRecord(storage, named.name, signal);
    if (typeof fields === "string") return fields;
    const isOfName =
      fields.text("kind") === named.kind &&
      Date.parse(fields.text("at")) === named.atMs &&
      (named.backupId === undefined || fields.text("backup_id") === named.backupId);
    return isOfName ? "" : "it is the text of another record";
  } catch (error) {
    if (error instanceof SyntaxError) return error.message;
    throw error;
  }
}

export class ArchiveVaultRecords implements VaultRecords {
  readonly #storage: Storage;
  readonly #putReserved: PutRun;

  /** @param putReserved Stores what people say also where there is no space left */
  constructor(storage: Storage, putReserved: PutRun) {
    this.#storage = storage;
    this.#putReserved = putReserved;
  }

  async add(record: Omit<VaultRecord, "id">, signal: AbortSignal): Promise<void> {
    const atMs = Date.parse(record.at);
    const about = record.backupId ?? noBackup;
    const isKnown = record.backupId === undefined || parseBackupId(record.backupId) !== undefined;
    if (Number.isNaN(atMs) || atMs < 0 || !isKnown) {
      throw new BackupError(
        "invalid-input",
        `Cannot record ${record.kind} of ${about} at ${record.at}: no such id or time`,
      );
    }
    const unique = randomBytes(8).toString("hex");
    const name = `${recordsFolder}${record.kind}+${about}+${atMs}+${unique}.json`;
    // What runs note of themselves, failed ones above all, must not use up what makes room.
    const isSaid = record.kind === "pinned" || record.kind === "confirmed";
    if (isSaid) await this.#putReserved(name, encodeRecord(record), signal);
    else await this.#storage.put(name, encodeRecord(record), signal);
  }

  async list(signal: AbortSignal, wanted: RecordFilter = {}): Promise<readonly VaultRecord[]> {
    // Names say enough to choose by: of thousands of records only the wanted ones are read.
    const names = chooseRecords(await listRecordNames(this.#storage, signal), wanted);
    return boundedMap(names, (name) => readRecord(this.#storage, name, signal), signal);
  }

  async remove(records: readonly VaultRecord[], signal: AbortSignal): Promise<void> {
    for (const { id } of records) {
      // Ids come from callers: nothing but a record may be removed this way.
      if (parseRecordName(id) === undefined) throw new RangeError(`not a record: ${id}`);
    }
    if (records.length === 0) return;
    await this.#storage.remove(
      records.map((record) => record.id),
      signal,
    );
  }
}

function encodeRecord(record: Omit<VaultRecord, "id">): Buffer {
  return encodeSealed({
    format_version: recordVersion,
    kind: record.kind,
    backup_id: record.backupId,
    at: record.at,
    host: record.host.slice(0, messageCharactersMax),
    message: record.message.slice(0, messageCharactersMax),
  });
}
