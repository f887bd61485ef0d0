/**
 * `prune`: frees the space of a repository that no backup needs. The plan comes first.
 *
 * @module
 */

import { toSnakeCase } from "../../contract/snake-case.ts";
import { type CommandContext, type CommandModule, operationOptions } from "../command.ts";
import { confirmOrRefuse, refuseWithoutAnswer } from "../confirm.ts";
import type { ExitCode } from "../exit-codes.ts";
import { maxUnused } from "../option-values.ts";
import { prunePlanLines, pruneSummary } from "../render/prune.ts";

interface PruneOptions {
  readonly maxUnused?: ReturnType<typeof maxUnused>;
  readonly dryRun?: boolean;
  readonly yes?: boolean;
}

/** The command as the registry lists it. */
export const pruneCommand: CommandModule = {
  examples: [
    {
      line: "vertex-backup prune --dry-run --vault repository --password-file password",
      text: "the plan only",
    },
    {
      line: "vertex-backup prune --yes --vault repository --password-file password",
      text: "free the space, without being asked",
    },
    {
      line: "vertex-backup prune --max-unused 0% --yes --vault repository --password-file password",
      text: "all of it, also where much has to be rewritten for little",
    },
  ],
  define: (command, run) => {
    command
      .option(
        "--max-unused <limit>",
        "how much may stay unused, such as 10% or 500M, or unlimited to rewrite nothing (default: 5%)",
        maxUnused,
      )
      .option("-n, --dry-run", "change nothing, show the plan")
      .option("-y, --yes", "do not ask")
      .action((options: PruneOptions) => run((context) => prune(context, options)));
  },
};

async function prune(context: CommandContext, options: PruneOptions): Promise<ExitCode> {
  const dryRun = options.dryRun === true;
  const asks = !dryRun && options.yes !== true;
  if (asks) refuseWithoutAnswer(context);
  const { manager } = await context.openManager();
  await using _closing = manager;
  const { output, progress } = context;
  let wasShown = false;
  const result = await manager.maintenance.prune({
    ...operationOptions(context),
    dryRun,
    ...options.maxUnused,
    confirm: async (plan) => {
      if (!asks) return true;
      progress.clear();
      wasShown = true;
      await confirmOrRefuse(context, prunePlanLines(plan, output.palette), "Free it?");
      return true;
    },
  });
  progress.clear();
  const text = (): string[] => [
    ...(wasShown ? [] : prunePlanLines(result.plan, output.palette)),
    pruneSummary(result, output.palette),
  ];
  if (dryRun) output.answer(() => toSnakeCase(result), text);
  else output.report(() => toSnakeCase(result), text);
  return 0;
}
