/**
 * `pin`: keeps a backup from being rotated away.
 *
 * @module
 */

import { type CommandModule, operationOptions } from "../command.ts";
import { type MarkOptions, markBackup } from "../mark-backup.ts";
import { typeOption } from "../option-values.ts";

/** The command as the registry lists it. */
export const pinCommand: CommandModule = {
  examples: [
    { line: "vertex-backup pin latest", text: "the newest backup" },
    { line: "vertex-backup pin latest --type database", text: "the newest database backup" },
  ],
  define: (command, run) => {
    command
      .argument("<backup>", "id, the beginning of one, or latest")
      .addOption(typeOption("which latest is meant"))
      .action((reference: string, options: MarkOptions) =>
        run((context) =>
          markBackup(context, "pinned; rotation leaves it alone", (manager) =>
            manager.pinBackup(reference, { ...operationOptions(context), ...options }),
          ),
        ),
      );
  },
};
