/**
 * What each command prints with `--json`: one document, one shape per command.
 *
 * @module
 */

import { z } from "zod";
import { backupSchema, backupTypeSchema, problemSchema } from "./backup.ts";
import { comparisonSchema, copySchema, dumpedSchema, foundSchema, listingSchema } from "./entries.ts";
import { errorBodySchema } from "./error.ts";
import {
  createdVaultSchema,
  damageSchema,
  keysSchema,
  pruneSchema,
  recoveryKitSchema,
  repairSchema,
  repositoryFindingsSchema,
  unlockSchema,
} from "./vault.ts";

const list = <T extends z.ZodType>(item: T): z.ZodReadonly<z.ZodArray<T>> => z.array(item).readonly();

const rotationSchema = z
  .object({
    dry_run: z.boolean().describe("true: nothing was removed"),
    decisions: list(
      z.object({
        backup: backupSchema,
        keep: z.boolean(),
        reasons: list(z.string()).describe("every reason it stays; empty when it goes"),
      }),
    ).describe("one for every backup looked at"),
    removed: list(z.string()).describe("ids; with dry_run those that would go"),
    freed_bytes: z.number().describe("0 in a repository, where prune frees the space"),
    awaits_prune: z.boolean().describe("the space is only freed by prune"),
    pruned: pruneSchema.exactOptional().describe("with --prune: what was freed"),
    held: list(z.string()).describe("sentences: where rotation waits because of a suspect backup"),
  })
  .meta({ id: "Rotation" });

const outcomeSchema = z
  .object({
    source: z.string(),
    backup: backupSchema.nullable().describe("null where this source failed"),
    problems: list(problemSchema),
    rotation: rotationSchema.nullable().describe("what rotation did afterwards; null with --no-rotate"),
    warnings: list(z.string()),
    error: errorBodySchema.nullable().describe("why this source failed, else null"),
  })
  .meta({ id: "Outcome" });

const restoreTargetSchema = z.object({
  kind: z.enum(["database", "folder"]),
  name: z.string(),
  path: z.string().describe("absolute"),
  exists: z.boolean(),
});

const planSchema = z
  .object({
    backup: backupSchema,
    targets: list(restoreTargetSchema),
    added: z.int(),
    changed: z.int(),
    unchanged: z.int(),
    removed: z.int(),
    newer: z.int().describe("of the changed and removed: files newer than the backup"),
    bytes_to_write: z.number(),
    safety_backup: z.boolean().describe("whether what is there is backed up first"),
    changes: list(
      z.object({
        path: z.string(),
        change: z.enum(["add", "change", "remove"]),
        newer: z.boolean(),
      }),
    ).describe("the first 1,000"),
    warnings: list(z.string()),
  })
  .meta({ id: "Plan" });

const restoredSchema = z
  .object({
    backup: backupSchema,
    restore_id: z.string().describe("what restore --undo takes back"),
    targets: list(restoreTargetSchema),
    files_written: z.int(),
    bytes_written: z.number(),
    safety_backup_id: z.string().exactOptional().describe("absent if there was nothing to save"),
    previous_state: list(z.string()).describe("absolute paths kept until undone or discarded"),
    warnings: list(z.string()),
    damaged: list(damageSchema).describe("left out with --skip-damaged, the first 1,000"),
    damaged_count: z.int(),
  })
  .meta({ id: "Restored" });

const reportSchema = z.object({
  id: z.string(),
  ok: z.boolean(),
  unverified: z.boolean().describe("there are no checksums to compare with"),
  damages: list(damageSchema),
  bytes_read: z.number(),
  entries_checked: z.int(),
  databases_checked: z.int(),
});

const statsSchema = z.object({
  vault: z.string(),
  total: z.int(),
  stored_bytes: z.number(),
  by_type: list(
    z.object({
      type: backupTypeSchema,
      count: z.int(),
      stored_bytes: z.number(),
      last_at: z.string().exactOptional(),
      oldest_at: z.string().exactOptional(),
    }),
  ),
  last_at: z.string().exactOptional().describe("ISO time of the newest backup; absent if there is none"),
  oldest_at: z.string().exactOptional(),
  succeeded: z.int().describe("runs that made a backup that is still there"),
  failed: z.int().describe("recorded runs that made none"),
  safety_count: z.int().describe("backups taken before restores"),
  free_bytes: z.number().exactOptional().describe("absent where it cannot be known"),
});

const oneBackupSchema = z.object({ backup: backupSchema.describe("as it is now") });

/** Commands that print a document. */
export type ResultName =
  | "create"
  | "list"
  | "show"
  | "stats"
  | "verify"
  | "restore"
  | "rotate"
  | "pin"
  | "unpin"
  | "confirm"
  | "demo"
  | "completion"
  | "init"
  | "key"
  | "prune"
  | "recovery-kit"
  | "repair"
  | "unlock"
  | "ls"
  | "find"
  | "dump"
  | "compare"
  | "copy";

/** The schema of each command's document. */
export const resultSchemas: Readonly<Record<ResultName, z.ZodType>> = {
  ls: listingSchema,
  find: foundSchema,
  dump: dumpedSchema,
  compare: comparisonSchema,
  copy: copySchema,
  create: z.object({ outcomes: list(outcomeSchema).describe("one for each source, in order") }),
  list: z.object({ backups: list(backupSchema).describe("newest first") }),
  show: z.object({
    backup: backupSchema,
    open_by_hand: list(z.string()).describe("shell commands that work without this program"),
  }),
  stats: statsSchema,
  verify: z.object({
    ok: z.boolean(),
    reports: list(reportSchema),
    repository: repositoryFindingsSchema
      .exactOptional()
      .describe("what was found of a repository that was checked as a whole"),
    beside: list(damageSchema)
      .exactOptional()
      .describe("what is wrong beside the backups of an archive vault that was verified as a whole"),
  }),
  restore: z.object({
    plan: planSchema.nullable().describe("what would change; null with --undo and --discard"),
    restored: restoredSchema.nullable().describe("null with --dry-run, --undo and --discard"),
    undone: z
      .object({ restore_id: z.string(), restored: list(z.string()).describe("absolute paths") })
      .nullable()
      .describe("with --undo, else null"),
    discarded: list(z.string()).nullable().describe("with --discard: absolute paths that are gone"),
  }),
  rotate: rotationSchema,
  pin: oneBackupSchema,
  unpin: oneBackupSchema,
  confirm: oneBackupSchema,
  init: createdVaultSchema,
  key: keysSchema,
  prune: pruneSchema,
  "recovery-kit": recoveryKitSchema,
  repair: repairSchema,
  unlock: unlockSchema,
  demo: z.object({
    ok: z.boolean(),
    folder: z.string().nullable().describe("where everything was left with --keep, else null"),
    duration_ms: z.number(),
    steps: list(z.object({ command: z.string(), exit_code: z.int(), duration_ms: z.number() })),
    findings: list(z.object({ what: z.string(), ok: z.boolean(), detail: z.string() })),
  }),
  completion: z.object({
    shell: z.enum(["bash", "zsh", "fish"]),
    script: z.string().describe("empty with --ids"),
    ids: list(z.string()).exactOptional().describe("with --ids: of the newest backups"),
  }),
};
