/**
 * Reads one column of a database image, for the files its rows name. Runs in a
 * capture process, on a private file.
 *
 * @module
 */

import { BackupError, errorText } from "../../domain/error.ts";
import type { ColumnRequest } from "./capture-messages.ts";
import { type Database, openImage } from "./capture-sqlite.ts";

/** A batch ends at either limit: few messages, and bounded memory on both sides. */
const batchValues = 1_000;
const batchCharacters = 1_000_000;

/**
 * The values of a column as text, in batches; blobs are taken as UTF-8, NULLs left out.
 *
 * @throws {BackupError} `invalid-input` if there is no such table or column
 */
export function* readColumn(request: ColumnRequest): Generator<readonly string[], void, void> {
  const database = openImage(request.imagePath);
  try {
    const statement = prepareSelect(database, request);
    statement.setReadBigInts(true);
    yield* batches(statement.iterate());
  } finally {
    database.close();
  }
}

function prepareSelect(database: Database, request: ColumnRequest): ReturnType<Database["prepare"]> {
  const table = quoted(request.table);
  try {
    const rows = request.withoutRows === true ? " LIMIT 0" : "";
    return database.prepare(`SELECT ${table}.${quoted(request.column)} AS value FROM ${table}${rows}`);
  } catch (error) {
    throw unreadableColumn(request, error);
  }
}

function unreadableColumn(request: ColumnRequest, cause: unknown): BackupError {
  const column = `${request.table}.${request.column}`;
  return new BackupError("invalid-input", `Cannot read column ${column}: ${errorText(cause)}`, {
    cause,
    hint: "Check the table and the column of the reference against the database's schema.",
  });
}

function* batches(rows: Iterable<Record<string, unknown>>): Generator<readonly string[], void, void> {
  let batch: string[] = [];
  let characters = 0;
  for (const row of rows) {
    const text = asText(row["value"]);
    if (text === undefined) continue;
    batch.push(text);
    characters += text.length;
    if (batch.length < batchValues && characters < batchCharacters) continue;
    yield batch;
    batch = [];
    characters = 0;
  }
  if (batch.length > 0) yield batch;
}

function asText(value: unknown): string | undefined {
  if (value === null || value === undefined) return undefined;
  return value instanceof Uint8Array ? Buffer.from(value).toString("utf8") : String(value);
}

/** An identifier of SQL, whatever characters are in it. */
function quoted(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}
