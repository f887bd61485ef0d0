/**
 * What is in backups, as `--json` shows it: entries, where they were found, how two
 * backups differ, what was copied. Mirrors `operations/browse` and `operations/copy`.
 *
 * @module
 */

import { z } from "zod";
import { backupSchema } from "./backup.ts";
import { errorBodySchema } from "./error.ts";

const list = <T extends z.ZodType>(item: T): z.ZodReadonly<z.ZodArray<T>> => z.array(item).readonly();

const entrySchema = z
  .object({
    kind: z.enum(["file", "directory", "symlink", "database"]),
    path: z
      .string()
      .describe("folder name and path inside it, or name of a database; what is not text stands as \\xNN"),
    path_base64: z
      .string()
      .exactOptional()
      .describe("the bytes of path, where it does not show them as they are"),
    mode: z.int().describe("permission bits"),
    uid: z.int().describe("-1 where it is not known"),
    gid: z.int(),
    size_bytes: z.number().nonnegative().describe("0 for folders, links and further names of a file"),
    modified_at: z.string().describe("of a database the instant of its backup"),
    modified_at_ms: z.number().describe("the same, milliseconds since 1970"),
    link_target: z.string().exactOptional().describe("of a symbolic link"),
    hard_link_to: z.string().exactOptional().describe("path of the file this is a further name of"),
    sha256: z.string().exactOptional().describe("lower-case hex, where it is known without reading"),
  })
  .meta({ id: "Entry" });

const countedSchema = (what: string): z.ZodObject =>
  z.object({ count: z.int(), bytes: z.number() }).describe(what);

/** What `ls` prints. */
export const listingSchema: z.ZodType = z.object({
  entries: list(entrySchema).describe("databases first, then files in order"),
});

/** What `find` prints. */
export const foundSchema: z.ZodType = z.object({
  found: list(
    z.object({
      backup: z.string().describe("id"),
      source: z.string(),
      started_at: z.string().describe("of the backup"),
      entry: entrySchema,
    }),
  ).describe("newest backup first"),
});

/** What `dump --output` prints. */
export const dumpedSchema: z.ZodType = z.object({
  backup: z.string().describe("id"),
  entry: entrySchema.nullable().describe("null for a whole backup"),
  format: z.enum(["raw", "tar", "zip"]).describe("raw: the bytes of one file or database"),
  output: z.string().describe("absolute path of the file that was written"),
  bytes_written: z.number(),
});

/** What `compare` prints. */
export const comparisonSchema: z.ZodType = z.object({
  differences: list(
    z.object({
      difference: z
        .enum(["added", "removed", "changed", "attributes"])
        .describe("attributes: the same bytes with another mode, owner or time"),
      path: z.string(),
      before: entrySchema.exactOptional().describe("absent where it was added"),
      after: entrySchema.exactOptional().describe("absent where it was removed"),
      differs: list(z.enum(["kind", "content", "target", "hard-link", "mode", "owner", "time"])).describe(
        "of what both have",
      ),
    }),
  ),
  added: countedSchema("bytes as they are now"),
  removed: countedSchema("bytes as they were"),
  changed: countedSchema("bytes as they are now"),
  attributes: countedSchema("bytes as they are now"),
});

/** What `copy` prints. */
export const copySchema: z.ZodType = z.object({
  dry_run: z.boolean().describe("true: nothing was copied"),
  outcomes: list(
    z.object({
      backup: z.string().describe("id in the vault that was copied from"),
      outcome: z
        .enum(["copied", "there", "left-out", "failed"])
        .describe("there: it was there already; left-out: it cannot be copied; failed: it could not be read"),
      copy: backupSchema.nullable().describe("as it is in the vault that was copied to, else null"),
      reason: z.string().describe("why it was left out, else empty"),
      error: errorBodySchema.nullable().describe("why it failed, else null"),
    }),
  ).describe("oldest first"),
  bytes_copied: z.number().describe("of databases and files as they were; with dry_run what would be copied"),
});
