/**
 * `confirm`: states that a suspect backup is as it should be.
 *
 * @module
 */

import type { Backup } from "../../domain/backup.ts";
import type { BackupManager } from "../../operations/backup-manager.ts";
import { type CommandContext, type CommandModule, operationOptions } from "../command.ts";
import { type MarkOptions, markBackup } from "../mark-backup.ts";
import { typeOption } from "../option-values.ts";
import { shownId } from "../render/shown-id.ts";

/** The command as the registry lists it. */
export const confirmCommand: CommandModule = {
  examples: [{ line: "vertex-backup confirm latest", text: "after the source really became that small" }],
  define: (command, run) => {
    command
      .argument("<backup>", "id, the beginning of one, or latest")
      .addOption(typeOption("which latest is meant"))
      .action((reference: string, options: MarkOptions) =>
        run((context) =>
          markBackup(
            context,
            (manager, backup) => confirmedText(context, manager, backup),
            (manager) => manager.confirmBackup(reference, { ...operationOptions(context), ...options }),
          ),
        ),
      );
  },
};

/** Each suspect backup of a source and type holds rotation, not only the one that was confirmed. */
async function confirmedText(
  { signal }: CommandContext,
  manager: BackupManager,
  { source, type }: Backup,
): Promise<string> {
  const backups = await manager.listBackups({ signal, source, type });
  const holding = backups.filter(({ suspect, safety }) => suspect === true && !safety);
  const [next] = holding;
  if (next === undefined) return "confirmed; rotation goes on, and later backups are compared with it";
  const others = holding.length === 1 ? "is suspect, too" : `and ${holding.length - 1} more are suspect, too`;
  return `confirmed; rotation waits further, for ${shownId(next.id)} ${others}: look at it, then vertex-backup confirm ${shownId(next.id)}`;
}
