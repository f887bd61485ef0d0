/**
 * `confirm`: states that a suspect backup is as it should be.
 *
 * @module
 */

import { type CommandModule, operationOptions } from "../command.ts";
import { type MarkOptions, markBackup } from "../mark-backup.ts";
import { typeOption } from "../option-values.ts";

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
            "confirmed; rotation goes on, and later backups are compared with it",
            (manager) => manager.confirmBackup(reference, { ...operationOptions(context), ...options }),
          ),
        ),
      );
  },
};
