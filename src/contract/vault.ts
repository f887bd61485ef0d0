/**
 * Schemas of what commands print about a vault as a whole: its keys, locks, space
 * and repair.
 *
 * @module
 */

import { z } from "zod";
import { backupTypeSchema } from "./backup.ts";

const list = <T extends z.ZodType>(item: T): z.ZodReadonly<z.ZodArray<T>> => z.array(item).readonly();

/** One thing that is wrong. */
export const damageSchema: z.ZodType = z
  .object({
    object: z.string().describe("file in the vault"),
    path: z.string().exactOptional().describe("path inside it, where one entry is concerned"),
    message: z.string(),
  })
  .meta({ id: "Damage" });

const keySchema = z
  .object({
    id: z.string(),
    current: z.boolean().describe("opened by the password given"),
    created_at: z.string(),
    username: z.string(),
    host: z.string(),
  })
  .meta({ id: "Key" });

const lockSchema = z
  .object({
    id: z.string(),
    at_ms: z.number().describe("when it was last refreshed, milliseconds since 1970"),
    exclusive: z.boolean(),
    host: z.string(),
    username: z.string(),
    pid: z.int(),
  })
  .meta({ id: "Lock" });

/** What `init` prints. */
export const createdVaultSchema: z.ZodType = z.object({
  vault: z.string(),
  format: z.enum(["archive", "repository"]),
  repository_id: z.string().exactOptional().describe("of a repository"),
  key_id: z.string().exactOptional().describe("of a repository: the key that the password opens"),
});

/** What `key` prints. */
export const keysSchema: z.ZodType = z.object({
  action: z.enum(["list", "add", "remove", "passwd"]),
  keys: list(keySchema).describe("all of them for list, else the one it was about"),
});

/** What `prune` prints, and `rotate` with `--prune`. */
export const pruneSchema: z.ZodType = z
  .object({
    plan: z.object({
      backups: z.int().describe("how many there are; where there are none, everything stored goes"),
      packs_kept: z.int(),
      packs_repacked: z.int(),
      packs_removed: z.int(),
      bytes_used: z.number(),
      bytes_unused: z.number(),
      bytes_repacked: z.number(),
      bytes_freed: z.number(),
      bytes_unused_after: z.number(),
      records_removed: z.int().describe("pins and other records of backups that are gone"),
    }),
    done: z.boolean().describe("false after a dry run, and where nothing was removed"),
    dry_run: z.boolean(),
  })
  .meta({ id: "Prune" });

/** What `unlock` prints. */
export const unlockSchema: z.ZodType = z.object({
  removed: list(lockSchema),
  remaining: list(lockSchema).describe("their owners may be alive"),
});

/** What `repair` prints. */
export const repairSchema: z.ZodType = z.object({
  index: z
    .object({
      packs_read: z.int(),
      packs_added: z.int(),
      packs_gone: z.int(),
      unreadable: list(damageSchema).describe("packs that were left in place and out of the index"),
    })
    .nullable()
    .describe("of repair index, else null"),
  backups: z
    .object({
      rewritten: list(z.string()).describe("ids; with dry_run those that would be"),
      hopeless: list(z.string()).describe("ids of backups of which nothing is left"),
      forgotten: list(z.string()).describe("those of hopeless that are removed"),
      lost: list(damageSchema).describe("every file and folder that is lost"),
      packs_removed: z.int().describe("damaged ones, after what is whole in them was saved"),
      done: z.boolean().describe("false after a dry run, a refusal, or where there was nothing to do"),
      dry_run: z.boolean(),
    })
    .nullable()
    .describe("of repair backups, else null"),
});

/** What `recovery-kit` prints. */
export const recoveryKitSchema: z.ZodType = z.object({
  vault: z.string(),
  host: z.string(),
  repository_id: z.string(),
  keys: list(keySchema),
  password_place: z.string().describe("where the password is kept, in words; never the password"),
  newest: list(z.object({ source: z.string(), type: backupTypeSchema })).describe(
    "apps and types of which there are backups, the first 20",
  ),
  tool_version: z.string(),
  commands: list(z.object({ what: z.string(), command: z.string() })).describe("of restic, as printed"),
  page: z.string().describe("the kit itself"),
  file: z.string().nullable().describe("where it was written with --output, else null"),
});

/** What was found of a repository as a whole. */
export const repositoryFindingsSchema: z.ZodObject = z.object({
  damages: list(damageSchema),
  notes: list(z.string()).describe("harmless things worth knowing"),
  packs_read: z.int().describe("in full"),
  packs_total: z.int(),
  bytes_read: z.number(),
});
