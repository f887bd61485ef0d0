/**
 * `unpin`: gives a pinned backup back to rotation.
 *
 * @module
 */

import { type CommandModule, operationOptions } from "../command.ts";
import { type MarkOptions, markBackup } from "../mark-backup.ts";
import { typeOption } from "../option-values.ts";

/** The command as the registry lists it. */
export const unpinCommand: CommandModule = {
  examples: [{ line: "vertex-backup unpin latest", text: "the newest backup" }],
  define: (command, run) => {
    command
      .argument("<backup>", "id, the beginning of one, or latest")
      .addOption(typeOption("which latest is meant"))
      .action((reference: string, options: MarkOptions) =>
        run((context) =>
          markBackup(context, "no longer pinned", (manager) =>
            manager.unpinBackup(reference, { ...operationOptions(context), ...options }),
          ),
        ),
      );
  },
};
