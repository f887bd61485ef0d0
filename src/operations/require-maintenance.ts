/**
 * The part of a vault that only repositories have, or the reason why the vault at
 * hand has no use for what was asked.
 *
 * @module
 */

import { BackupError } from "../domain/error.ts";
import type { Maintenance } from "../vault/maintenance.ts";
import type { OperationContext } from "./context.ts";

/** What each verb of a repository is called, and why an archive vault does without it. */
const verbs = {
  keys: ["manage passwords of", "An archive vault is not encrypted, so it has no passwords."],
  kit: [
    "write a recovery kit for",
    "An archive vault is plain files; show prints how to open a backup by hand.",
  ],
  prune: ["prune", "In an archive vault the space is free as soon as rotate has removed a backup."],
  unlock: ["unlock", "In an archive vault locks of runs that are gone are broken by the next run by itself."],
  repairIndex: ["repair the index of", "An archive vault has none; verify says which backups are damaged."],
  repairBackups: [
    "repair backups of",
    "In an archive vault each backup stands alone; verify says which are damaged.",
  ],
  readData: [
    "read a part of",
    "In an archive vault verify always reads whole backups; --all reads every one.",
  ],
} as const;

/** @throws {BackupError} `unsupported` on a vault that is no repository */
export function requireMaintenance(
  { vault }: Pick<OperationContext, "vault">,
  verb: keyof typeof verbs,
): Maintenance {
  if (vault.maintenance !== undefined) return vault.maintenance;
  const [what, hint] = verbs[verb];
  throw new BackupError("unsupported", `Cannot ${what} ${vault.location}: it is an archive vault`, { hint });
}
