/**
 * `repair`: makes the index of a repository again, or rewrites backups without what is
 * lost. Exit code 3 where something could not be repaired.
 *
 * @module
 */

import { Argument } from "commander";
import { toSnakeCase } from "../../contract/snake-case.ts";
import { BackupError } from "../../domain/error.ts";
import { formatQuantity } from "../../domain/units.ts";
import type { BackupManager } from "../../operations/backup-manager.ts";
import type {
  RepairBackupsPlan,
  RepairBackupsReport,
  RepairBackupsRequest,
  RepairIndexReport,
} from "../../operations/vault-requests.ts";
import { type CommandContext, type CommandModule, operationOptions } from "../command.ts";
import { confirmOrRefuse, refuseWithoutAnswer } from "../confirm.ts";
import { type ExitCode, exitCodeIncomplete } from "../exit-codes.ts";
import { collectFilled } from "../option-values.ts";
import { damageLines } from "../render/damage.ts";
import type { Palette } from "../render/palette.ts";
import { safeText } from "../render/safe-text.ts";
import { shownId } from "../render/shown-id.ts";
import { samePlace } from "../render/same-place.ts";

const targets = ["index", "backups"] as const;
type Target = (typeof targets)[number];

interface RepairOptions {
  readonly dryRun?: boolean;
  readonly yes?: boolean;
  /** False after `--no-read-data`. */
  readonly readData: boolean;
  readonly forget?: readonly string[];
}

/** The command as the registry lists it. */
export const repairCommand: CommandModule = {
  examples: [
    {
      line: "vertex-backup repair index --vault repository --password-file password",
      text: "when verify says that packs and index do not agree",
    },
    {
      line: "vertex-backup repair backups --dry-run --vault repository --password-file password",
      text: "what would be lost",
    },
    {
      line: "vertex-backup repair backups --yes --vault repository --password-file password",
      text: "make damaged backups restorable again, without what is lost",
    },
  ],
  define: (command, run) => {
    command
      .addArgument(new Argument("<what>", "what to repair").choices(targets))
      .option("-n, --dry-run", "change nothing, show what repair backups would do and lose")
      .option("-y, --yes", "do not ask before backups are rewritten")
      .option("--no-read-data", "do not read everything first: only what is missing counts as lost")
      .option("--forget <id>", "remove this backup, if nothing of it is left; repeatable", collectFilled)
      .action((what: Target, options: RepairOptions) => run((context) => repair(context, what, options)));
  },
};

async function repair(context: CommandContext, what: Target, options: RepairOptions): Promise<ExitCode> {
  const { dryRun = false, yes = false, readData, forget = [] } = options;
  if (what === "index" && (dryRun || yes || !readData || forget.length > 0)) {
    throw new BackupError("invalid-input", "Cannot repair the index: these options are for repair backups", {
      hint: "Making the index again loses nothing; verify says whether it is needed.",
    });
  }
  const asks = what === "backups" && !dryRun && !yes;
  if (asks) refuseWithoutAnswer(context);
  const { manager } = await context.openManager();
  await using _closing = manager;
  let wasShown = false;
  const confirm = async (plan: RepairBackupsPlan): Promise<boolean> => {
    if (!asks) return true;
    context.progress.clear();
    wasShown = true;
    await confirmOrRefuse(context, planLines(plan, context.output.palette, "would be"), "Repair them?");
    return true;
  };
  const request = { dryRun, readData, forget, confirm };
  const outcome = await work(context, manager, what, request);
  context.progress.clear();
  const { output } = context;
  const { index = null, backups = null } = outcome;
  const document = (): unknown => toSnakeCase({ index, backups });
  const text = (): string[] => [
    ...(index === null ? [] : indexLines(index, output.palette)),
    ...(backups === null ? [] : backupsLines(context, backups, wasShown)),
  ];
  const code = exitCodeOf(outcome);
  if (dryRun || code !== 0) output.answer(document, text);
  else output.report(document, text);
  return code;
}

interface Outcome {
  readonly index?: RepairIndexReport;
  readonly backups?: RepairBackupsReport;
}

async function work(
  context: CommandContext,
  { maintenance }: BackupManager,
  what: Target,
  request: RepairBackupsRequest,
): Promise<Outcome> {
  const run = operationOptions(context);
  return what === "index"
    ? { index: await maintenance.repairIndex(run) }
    : { backups: await maintenance.repairBackups({ ...run, ...request }) };
}

function exitCodeOf({ index, backups }: Outcome): ExitCode {
  const left = (index?.unreadable.length ?? 0) + (backups?.hopeless.length ?? 0);
  return left > 0 ? exitCodeIncomplete : 0;
}

function indexLines(report: RepairIndexReport, palette: Palette): string[] {
  const { packsRead, packsAdded, packsGone, unreadable } = report;
  const added = `${formatQuantity(packsAdded, "pack")} added`;
  const gone = `${formatQuantity(packsGone, "pack")} that are gone left out`;
  return [
    palette.green(`Index made again: ${formatQuantity(packsRead, "pack")} read, ${added}, ${gone}`),
    ...(unreadable.length === 0
      ? []
      : [
          palette.red(`${formatQuantity(unreadable.length, "pack")} cannot be read:`),
          ...damageLines(unreadable, palette),
        ]),
  ];
}

function backupsLines(
  { output, options }: CommandContext,
  report: RepairBackupsReport,
  wasShown: boolean,
): string[] {
  const { rewritten, hopeless, packsRemoved, dryRun } = report;
  const { palette } = output;
  if (rewritten.length + hopeless.length + packsRemoved === 0)
    return [palette.green("No backup needs a repair.")];
  return [
    ...(wasShown ? [palette.green("Done.")] : planLines(report, palette, dryRun ? "would be" : "")),
    ...(dryRun ? [] : [`Check it with: ${samePlace("verify --read-data", options)}`]),
  ];
}

/** @param would "would be" before it is done, else empty */
function planLines(plan: RepairBackupsPlan, palette: Palette, would: "" | "would be"): string[] {
  const { rewritten, hopeless, forgotten, lost, packsRemoved } = plan;
  const verb = (what: string): string => (would === "" ? what : `${would} ${what}`);
  const left = hopeless.filter((id) => !forgotten.includes(id));
  return [
    `${formatQuantity(rewritten.length, "backup")} ${verb("rewritten")} without what is lost, the old ones ${verb("removed")}:`,
    ...rewritten.map((id) => `  ${shownId(id)}`),
    ...(forgotten.length === 0
      ? []
      : [
          palette.red(`Nothing is left of these, which ${would === "" ? "are" : would} removed:`),
          ...forgotten.map((id) => `  ${safeText(id)}`),
        ]),
    ...(left.length === 0
      ? []
      : [
          palette.red("Nothing is left of these; --forget ID removes one:"),
          ...left.map((id) => `  ${safeText(id)}`),
        ]),
    ...(lost.length === 0 ? [] : [palette.yellow("Lost:"), ...damageLines(lost, palette)]),
    ...(packsRemoved === 0
      ? []
      : [
          `${formatQuantity(packsRemoved, "damaged pack")} ${verb("removed")}, after what is whole of it is saved elsewhere`,
        ]),
  ];
}
