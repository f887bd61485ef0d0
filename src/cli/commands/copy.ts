/**
 * `copy`: backups into another vault. Where one could not be read the others are
 * copied all the same, and the exit code is that of its failure.
 *
 * @module
 */

import { Option } from "commander";
import { toSnakeCase } from "../../contract/snake-case.ts";
import type { BackupType } from "../../domain/backup.ts";
import { formatBytes, formatQuantity } from "../../domain/units.ts";
import type { CopyOutcome, CopyRequest, CopyResult } from "../../operations/copy/copy-requests.ts";
import { type CommandContext, type CommandModule, operationOptions } from "../command.ts";
import { errorBody, reportError } from "../error-report.ts";
import type { ExitCode } from "../exit-codes.ts";
import { filled, filledPath, gzipLevel, typeOption } from "../option-values.ts";
import type { Palette } from "../render/palette.ts";
import { safeText } from "../render/safe-text.ts";

interface CopyOptions {
  readonly to: string;
  readonly toPasswordFile?: string;
  readonly toPasswordCommand?: string;
  readonly toFormat?: "archive" | "repository";
  readonly type?: BackupType;
  readonly level?: number;
  readonly dryRun?: boolean;
}

/** The command as the registry lists it. */
export const copyCommand: CommandModule = {
  examples: [
    { line: "vertex-backup copy --to offsite", text: "everything that is not there yet" },
    { line: "vertex-backup copy latest --to offsite", text: "one backup" },
    { line: "vertex-backup copy --to offsite --type full --dry-run", text: "what would be copied" },
  ],
  define: (command, run) => {
    command
      .argument("[backups...]", "ids, beginnings of them, or latest (default: all of the vault)")
      .requiredOption(
        "--to <dir>",
        "the vault to copy into, of either format; made if it is not there",
        filledPath,
      )
      .option("--to-password-file <file>", "holds the password of that vault (default: the same)", filledPath)
      .option("--to-password-command <command>", "shell command that prints that password", filled)
      .addOption(
        new Option("--to-format <format>", "what is made where there is no vault (default: archive)").choices(
          ["archive", "repository"],
        ),
      )
      .addOption(typeOption("only backups of this type"))
      .option("--level <1-9>", "gzip level of an archive vault that is copied into", gzipLevel)
      .option("-n, --dry-run", "copy nothing, show what would be copied")
      .action((backups: readonly string[], options: CopyOptions) =>
        run((context) => copy(context, backups, options)),
      );
  },
};

async function copy(
  context: CommandContext,
  backups: readonly string[],
  options: CopyOptions,
): Promise<ExitCode> {
  const { manager } = await context.openManager();
  await using _closing = manager;
  const target = await context.openOther({
    vault: options.to,
    passwordFile: options.toPasswordFile,
    passwordCommand: options.toPasswordCommand,
    format: options.toFormat,
  });
  await using _closingTarget = target.manager;
  const request: CopyRequest = {
    ...operationOptions(context),
    ...(backups.length === 0 ? {} : { backups }),
    ...(options.type === undefined ? {} : { type: options.type }),
    ...(options.level === undefined ? {} : { level: options.level }),
    dryRun: options.dryRun === true,
  };
  const result = await manager.copyBackups(target.manager, request);
  context.progress.clear();
  const document = (): unknown => documentOf(result);
  const text = (): string[] => renderCopy(result, target.vault, context.output.palette);
  const failed = result.outcomes.find(({ outcome }) => outcome === "failed");
  if (failed === undefined && !result.dryRun) context.output.report(document, text);
  else context.output.answer(document, text);
  return failed?.outcome === "failed" ? reportError(failed.error).exitCode : 0;
}

function documentOf({ outcomes, bytesCopied, dryRun }: CopyResult): unknown {
  return {
    dry_run: dryRun,
    outcomes: outcomes.map((one) => ({
      backup: one.backup.id,
      outcome: one.outcome,
      copy: "copy" in one && one.copy !== undefined ? toSnakeCase(one.copy) : null,
      reason: one.outcome === "left-out" ? one.reason : "",
      error: one.outcome === "failed" ? errorBody(reportError(one.error)) : null,
    })),
    bytes_copied: bytesCopied,
  };
}

/** One line a backup that was not there, and a last line that says it all. */
export function renderCopy(result: CopyResult, vault: string, palette: Palette): string[] {
  const { outcomes, bytesCopied, dryRun } = result;
  const count = (outcome: CopyOutcome["outcome"]): number =>
    outcomes.filter((one) => one.outcome === outcome).length;
  const lines = outcomes.flatMap((one) => outcomeLines(one, dryRun, palette));
  const verb = dryRun ? "would be copied" : "copied";
  const copied = `${formatQuantity(count("copied"), "backup")} (${formatBytes(bytesCopied)}) ${verb} to ${safeText(vault)}`;
  const failed = count("failed");
  const summary = [
    failed === 0 ? palette.green(copied) : copied,
    ...(count("there") > 0 ? [`${count("there")} there already`] : []),
    ...(count("left-out") > 0 ? [palette.yellow(`${count("left-out")} left out`)] : []),
    ...(failed > 0 ? [palette.red(`${failed} failed`)] : []),
  ];
  return [...lines, summary.join(", ")];
}

function outcomeLines(one: CopyOutcome, dryRun: boolean, palette: Palette): string[] {
  const id = safeText(one.backup.id);
  // Of snapshots that restic made the copy knows more than they do.
  const size = formatBytes(("copy" in one ? one.copy : undefined)?.sourceBytes ?? one.backup.sourceBytes);
  switch (one.outcome) {
    case "there":
      return [];
    case "left-out":
      return [palette.yellow(`${id}: left out, ${safeText(one.reason)}`)];
    case "failed":
      return [palette.red(`${id}: ${safeText(one.error.message)}`)];
    case "copied":
      if (dryRun || one.copy === undefined) return [`${id} (${size})`];
      return [`${id} -> ${safeText(one.copy.id)} (${size})`];
  }
}
