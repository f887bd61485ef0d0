/**
 * `ls`: what is in a backup.
 *
 * @module
 */

import { toSnakeCase } from "../../contract/snake-case.ts";
import type { BackupType } from "../../domain/backup.ts";
import { formatBytes, formatQuantity } from "../../domain/units.ts";
import { type CommandContext, type CommandModule, operationOptions } from "../command.ts";
import type { ExitCode } from "../exit-codes.ts";
import { typeOption } from "../option-values.ts";
import { entryLine } from "../render/entry.ts";

interface LsOptions {
  readonly type?: BackupType;
  readonly recursive?: boolean;
}

/** The command as the registry lists it. */
export const lsCommand: CommandModule = {
  examples: [
    { line: "vertex-backup ls latest", text: "databases and folders of the newest backup" },
    { line: "vertex-backup ls latest uploads/2024", text: "a folder in it" },
    { line: "vertex-backup ls latest --recursive --json", text: "everything, for scripts" },
  ],
  define: (command, run) => {
    command
      .argument("<backup>", "id, the beginning of one, latest, or the path of a backup file")
      .argument("[path]", "a folder or a file in it, as listed or as it was on disk (default: the top)")
      .addOption(typeOption("which latest is meant"))
      .option("-r, --recursive", "also what is in the folders")
      .action((backup: string, path: string | undefined, options: LsOptions) =>
        run((context) => ls(context, backup, path, options)),
      );
  },
};

async function ls(
  context: CommandContext,
  backup: string,
  path: string | undefined,
  { type, recursive }: LsOptions,
): Promise<ExitCode> {
  const { manager } = await context.openManager();
  await using _closing = manager;
  const entries = manager.browse.listEntries({
    ...operationOptions(context),
    backup,
    recursive: recursive === true,
    ...(path === undefined ? {} : { path }),
    ...(type === undefined ? {} : { type }),
  });
  const { output, progress } = context;
  let [count, bytes] = [0, 0];
  await output.answerEach(entries, {
    lines: (entry) => {
      count++;
      bytes += entry.sizeBytes;
      return [entryLine(entry, output.palette)];
    },
    document: toSnakeCase,
    whole: (documents) => ({ entries: documents }),
    summary: () => [`${formatQuantity(count, "entry", "entries")}, ${formatBytes(bytes)}`],
    beforePrinting: () => progress.clear(),
  });
  return 0;
}
