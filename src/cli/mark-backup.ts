/**
 * What `pin`, `unpin` and `confirm` share: they change one fact about one backup
 * and say so.
 *
 * @module
 */

import { toSnakeCase } from "../contract/snake-case.ts";
import type { Backup, BackupType } from "../domain/backup.ts";
import type { BackupManager } from "../operations/backup-manager.ts";
import type { CommandContext } from "./command.ts";
import type { ExitCode } from "./exit-codes.ts";
import { safeText } from "./render/safe-text.ts";

/** Options of these commands, as commander hands them over. */
export interface MarkOptions {
  readonly type?: BackupType;
}

/**
 * Applies `change` and prints `<id>: <done>`, or the backup as it is now with `--json`.
 *
 * @param done What to say; of the backup as it is now, where that depends on what else is in the vault
 */
export async function markBackup(
  context: CommandContext,
  done: string | ((manager: BackupManager, backup: Backup) => Promise<string>),
  change: (manager: BackupManager) => Promise<Backup>,
): Promise<ExitCode> {
  const { manager } = await context.openManager();
  await using _closing = manager;
  const backup = await change(manager);
  const said = typeof done === "string" ? done : await done(manager, backup);
  context.progress.clear();
  context.output.report(
    () => toSnakeCase({ backup }),
    () => [`${context.output.palette.bold(safeText(backup.id))}: ${said}`],
  );
  return 0;
}
