/**
 * `find`: where a file or database is, in all backups or some of them. Exit code 0
 * also where nothing is found, as with find(1); 3 where a backup could not be searched.
 *
 * @module
 */

import { Option } from "commander";
import { toSnakeCase } from "../../contract/snake-case.ts";
import type { BackupType } from "../../domain/backup.ts";
import { formatQuantity } from "../../domain/units.ts";
import type {
  BackupEntryKind,
  FindEntriesRequest,
  FoundEntry,
} from "../../operations/browse/browse-requests.ts";
import { type CommandContext, type CommandModule, operationOptions } from "../command.ts";
import { type ExitCode, exitCodeIncomplete } from "../exit-codes.ts";
import { collectFilled, momentMs, typeOption } from "../option-values.ts";
import { placeLine } from "../render/entry.ts";
import { safeText } from "../render/safe-text.ts";

interface FindOptions {
  readonly backup?: readonly string[];
  readonly type?: BackupType;
  readonly kind?: BackupEntryKind;
  readonly since?: string;
  readonly until?: string;
  readonly newest?: boolean;
  readonly ignoreCase?: boolean;
}

/** Enough that no two of a million backups begin alike. */
const shortIdDigits = 12;

const kinds: readonly BackupEntryKind[] = ["file", "directory", "symlink", "database"];

/** The command as the registry lists it. */
export const findCommand: CommandModule = {
  examples: [
    { line: "vertex-backup find notes.txt", text: "in which backups it is, with size and time" },
    {
      line: "vertex-backup find '*.jpg' --newest",
      text: "each picture once, in the newest backup that has it",
    },
    {
      line: "vertex-backup find 'uploads/2024/**' --backup latest --kind file",
      text: "the files below a folder, in one backup",
    },
  ],
  define: (command, run) => {
    command
      .argument("<pattern>", "a name such as '*.jpg', a path such as 'uploads/2024/**', or an absolute path")
      .option("-b, --backup <backup>", "only in this backup: id, latest or a path; repeatable", collectFilled)
      .addOption(typeOption("only in backups of this type"))
      .option("--since <time>", "only in backups made since, e.g. 2024-01-31 or 7d")
      .option("--until <time>", "only in backups made until then")
      .addOption(new Option("--kind <kind>", "only what is of this kind").choices(kinds))
      .option("--newest", "each path once, from the newest backup that has it")
      .option("-i, --ignore-case", "capital and small letters are the same")
      .action((pattern: string, options: FindOptions) => run((context) => find(context, pattern, options)));
  },
};

async function find(context: CommandContext, pattern: string, options: FindOptions): Promise<ExitCode> {
  let complete = true;
  const onUnsearched = (): void => {
    complete = false;
  };
  const request = { ...requestOf(context, pattern, options), onUnsearched };
  const { manager } = await context.openManager();
  await using _closing = manager;
  const { output, progress } = context;
  const backups = new Set<string>();
  let count = 0;
  await output.answerEach(manager.browse.findEntries(request), {
    lines: ({ backup, entry }) => {
      count++;
      backups.add(backup.id);
      return [`${shortId(backup.id)}  ${placeLine(entry, output.palette)}`];
    },
    document: documentOf,
    whole: (documents) => ({ found: documents }),
    summary: () => [
      count === 0
        ? "Nothing found"
        : `${formatQuantity(count, "match", "matches")} in ${formatQuantity(backups.size, "backup")}`,
    ],
    beforePrinting: () => progress.clear(),
  });
  return complete ? 0 : exitCodeIncomplete;
}

/** The 64 digits of a repository's ids leave no room for anything else; their beginnings are taken as well. */
function shortId(id: string): string {
  return safeText(/^[0-9a-f]{64}$/.test(id) ? id.slice(0, shortIdDigits) : id);
}

function requestOf(context: CommandContext, pattern: string, options: FindOptions): FindEntriesRequest {
  const nowMs = context.io.clock.now();
  const { backup, type, kind, since, until, newest, ignoreCase } = options;
  return {
    ...operationOptions(context),
    pattern,
    newest: newest === true,
    ignoreCase: ignoreCase === true,
    ...(backup === undefined ? {} : { backups: backup }),
    ...(type === undefined ? {} : { type }),
    ...(kind === undefined ? {} : { kinds: [kind] }),
    ...(since === undefined ? {} : { sinceMs: momentMs(since, nowMs, false) }),
    ...(until === undefined ? {} : { untilMs: momentMs(until, nowMs, true) }),
  };
}

function documentOf({ backup, entry }: FoundEntry): unknown {
  return {
    backup: backup.id,
    source: backup.source,
    started_at: backup.startedAt,
    entry: toSnakeCase(entry),
  };
}
