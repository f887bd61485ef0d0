/**
 * A backup as `--json` (and later REST and the page) shows it. Mirrors
 * `domain/backup.ts` in snake_case.
 *
 * @module
 */

import { z } from "zod";
import { type Backup, type BackupType, backupTypes, type Problem } from "../domain/backup.ts";
import type { SnakeCased } from "./snake-case.ts";

/** A backup in JSON. */
export type BackupDocument = SnakeCased<Backup>;

const bytes = (meaning: string): z.ZodNumber => z.number().nonnegative().describe(`${meaning}, in bytes`);
const count = (meaning: string): z.ZodInt => z.int().nonnegative().describe(meaning);
const list = <T extends z.ZodType>(item: T): z.ZodReadonly<z.ZodArray<T>> => z.array(item).readonly();

/** `full`, `database` or `storage`. */
export const backupTypeSchema: z.ZodType<BackupType> = z.enum(backupTypes);

/** One thing that is missing from a backup, or in it in a way people should know of. */
export const problemSchema: z.ZodType<SnakeCased<Problem>> = z
  .object({
    kind: z
      .enum([
        "changed-while-read",
        "vanished",
        "unreadable",
        "special-file",
        "not-captured",
        "reference-missing",
        "reference-deleted",
      ])
      .describe("why it is missing, or there in a way people should know of"),
    path: z.string().describe("folder name and path inside it, or an absolute path; for display"),
    message: z.string(),
  })
  .meta({ id: "Problem" });

const databaseSchema = z
  .object({
    name: z.string().describe("unique within the backup; restored as DIR/<name>"),
    path: z.string().describe("absolute path where it was"),
    size_bytes: bytes("the image"),
    sha256: z
      .string()
      .exactOptional()
      .describe("lower-case hex, of the image; absent in repositories, which check each of its pieces"),
    page_size_bytes: bytes("one page"),
    journal_mode: z.string().describe("as the live database had it; put back on restore"),
    check: z.object({
      method: z.enum(["quick_check", "integrity_check", "not-run"]),
      ok: z.boolean(),
      messages: list(z.string()).describe("what SQLite found, at most 10 lines"),
    }),
    mode: z.int().describe("permission bits of the live file"),
    uid: z.int(),
    gid: z.int(),
  })
  .meta({ id: "Database" });

const fileSchema = z
  .object({
    name: z.string().describe("inside the vault"),
    role: z.enum(["database", "archive", "contents", "metadata"]),
    size_bytes: bytes("as stored"),
    sha256: z
      .string()
      .exactOptional()
      .describe("lower-case hex, of the stored bytes; absent for foreign files"),
  })
  .meta({ id: "File" });

/** A backup, whole. */
export const backupSchema: z.ZodType<BackupDocument> = z
  .object({
    id: z.string(),
    type: backupTypeSchema,
    source: z.string().describe("name of the app it protects"),
    host: z.string(),
    started_at: z.string().describe("ISO 8601 with offset: the instant the backup stands for"),
    started_at_ms: z.number().describe("the same, milliseconds since 1970"),
    duration_ms: z.number(),
    state: z
      .enum(["good", "incomplete", "suspect", "damaged", "unverified"])
      .describe("how far it can be trusted"),
    state_reason: z.string().describe("one sentence on why it is not good; empty when it is"),
    suspect: z
      .boolean()
      .exactOptional()
      .describe("true on a suspect backup nobody has confirmed, damaged or not; else absent"),
    safety: z.boolean().describe("taken by itself before a restore"),
    pinned: z.boolean().describe("rotation leaves it alone"),
    never_removed: z
      .boolean()
      .exactOptional()
      .describe("true on what no rotation may touch: not ours, or not readable by this version; else absent"),
    tags: list(z.string()),
    source_bytes: bytes("what was protected"),
    stored_bytes: bytes("what it takes in the vault"),
    counts: z.object({
      databases: count("declared databases"),
      files: count("files"),
      directories: count("directories"),
      symlinks: count("symbolic links"),
      unchanged_files: count("files taken from the backup before without being read"),
    }),
    databases: list(databaseSchema),
    roots: list(
      z.object({
        name: z.string().describe("first path component inside the archive"),
        path: z.string().describe("absolute path where it was"),
      }),
    ),
    files: list(fileSchema),
    problems: list(problemSchema).describe("the first 1,000"),
    problem_count: count("all problems"),
    verified_at: z
      .string()
      .exactOptional()
      .describe("ISO time of the last successful verification; absent if none"),
    tool_version: z.string(),
    snapshot_id: z
      .string()
      .exactOptional()
      .describe("what restic calls it now; present where its snapshot was written anew under another id"),
    copied_from: z
      .object({
        id: z.string().describe("its id in the vault it was made in"),
        vault: z.string().describe("where that vault was"),
      })
      .exactOptional()
      .describe("present on a copy of a backup of another vault"),
  })
  .meta({ id: "Backup" });
