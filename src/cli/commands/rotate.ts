/**
 * `rotate`: removes what no retention rule keeps, or shows what would go.
 *
 * @module
 */

import { toSnakeCase } from "../../contract/snake-case.ts";
import type { BackupType } from "../../domain/backup.ts";
import type { RotateResult } from "../../operations/requests.ts";
import { type CommandContext, type CommandModule, operationOptions } from "../command.ts";
import { type ExitCode, exitCodeIncomplete } from "../exit-codes.ts";
import { defineKeepOptions, givenRules, type KeepOptions } from "../keep-options.ts";
import { typeOption } from "../option-values.ts";
import { pruneSummary } from "../render/prune.ts";
import { decisionTable, rotationSummary } from "../render/rotation.ts";
import { samePlace } from "../render/same-place.ts";

interface RotateOptions extends KeepOptions {
  readonly type?: BackupType;
  readonly safetyOlderThan?: string;
  readonly dryRun?: boolean;
  readonly prune?: boolean;
}

/** The command as the registry lists it. */
export const rotateCommand: CommandModule = {
  examples: [
    { line: "vertex-backup rotate --dry-run", text: "every backup with the reason it stays or goes" },
    { line: "vertex-backup rotate", text: "by the configured rules, else 7 last + 14 daily + 8 weekly" },
    { line: "vertex-backup rotate --keep-last 7 --keep-daily 14 --keep-monthly 12", text: "by these rules" },
    { line: "vertex-backup rotate --type database --keep-within 1m", text: "database backups of one month" },
    {
      line: "vertex-backup rotate --keep-last unlimited --safety-older-than 3m",
      text: "only safety backups, those older than three months",
    },
    {
      line: "vertex-backup rotate --prune --vault repository --password-file password",
      text: "and free the space of a repository",
    },
  ],
  define: (command, run) => {
    command.addOption(typeOption("only backups of this type"));
    defineKeepOptions(command);
    command
      .option("--safety-older-than <age>", "also remove safety backups older than this, e.g. 3m")
      .option("--prune", "also free the space, where the vault is a repository")
      .option("-n, --dry-run", "remove nothing, show what would go and why")
      .action((options: RotateOptions) => run((context) => rotate(context, options)));
  },
};

async function rotate(context: CommandContext, options: RotateOptions): Promise<ExitCode> {
  const rules = givenRules(options);
  const { manager } = await context.openManager();
  await using _closing = manager;
  const result = await manager.rotateBackups({
    ...operationOptions(context),
    ...(options.type === undefined ? {} : { type: options.type }),
    ...(rules === undefined ? {} : { rules }),
    ...(options.safetyOlderThan === undefined ? {} : { safetyOlderThan: options.safetyOlderThan }),
    dryRun: options.dryRun === true,
    prune: options.prune === true,
  });
  context.progress.clear();
  const { output } = context;
  const { palette } = output;
  const { pruned } = result;
  const text = (): string[] => {
    const table = decisionTable(result, context.io.clock.now(), output.width, palette);
    const wanted = result.dryRun || context.options.verbose === true;
    return [
      ...(wanted ? table : []),
      ...rotationSummary(result, palette),
      ...(pruned === undefined ? pruneHint(context, result) : [pruneSummary(pruned, palette)]),
    ];
  };
  if (result.dryRun) output.answer(() => toSnakeCase(result), text);
  else output.report(() => toSnakeCase(result), text);
  return result.held.length > 0 ? exitCodeIncomplete : 0;
}

/** In a repository rotation frees nothing by itself. */
function pruneHint({ options }: CommandContext, result: RotateResult): string[] {
  if (!result.awaitsPrune || result.dryRun || result.removed.length === 0) return [];
  return [`Free the space with: ${samePlace("prune", options)}`];
}
