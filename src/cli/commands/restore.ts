/**
 * `restore`: puts a backup back after showing what that changes and asking; or
 * undoes the last restore, or gives up the state it replaced.
 *
 * @module
 */

import { Option } from "commander";
import { toSnakeCase } from "../../contract/snake-case.ts";
import type { BackupType } from "../../domain/backup.ts";
import { BackupError } from "../../domain/error.ts";
import { formatQuantity } from "../../domain/units.ts";
import type { BackupManager } from "../../operations/backup-manager.ts";
import type { RestorePlan, RestoreRequest } from "../../operations/requests.ts";
import { type CommandContext, type CommandModule, operationOptions } from "../command.ts";
import { confirmOrRefuse, refuseWithoutAnswer } from "../confirm.ts";
import type { ExitCode } from "../exit-codes.ts";
import { collect, filledPath, typeOption } from "../option-values.ts";
import { changeLines, keptLines, planLines, restoredLines, type SafetyPlace } from "../render/restore.ts";
import { safeText } from "../render/safe-text.ts";
import { samePlace } from "../render/same-place.ts";

interface RestoreOptions {
  readonly type?: BackupType;
  readonly target?: string;
  readonly only?: "database" | "storage";
  readonly include?: readonly string[];
  readonly dryRun?: boolean;
  readonly yes?: boolean;
  readonly live?: boolean;
  readonly force?: boolean;
  /** False with `--no-space-check`. */
  readonly spaceCheck?: boolean;
  readonly skipDamaged?: boolean;
  readonly undo?: boolean;
  readonly discard?: boolean;
}

/** The command as the registry lists it. */
export const restoreCommand: CommandModule = {
  examples: [
    { line: "vertex-backup restore latest --dry-run", text: "what would be added, changed and removed" },
    { line: "vertex-backup restore latest --target restored --yes", text: "into another folder" },
    { line: "vertex-backup restore latest --yes", text: "to where it was, without being asked" },
    {
      line: "vertex-backup restore backups/database/db_backup_20240101_120000.db --target old --yes",
      text: "a backup file by its path",
    },
    {
      line: "vertex-backup restore latest --only storage --include 'uploads/2024/**' --target part --yes",
      text: "some files only",
    },
    {
      line: "vertex-backup restore latest --skip-damaged --target rescued --yes",
      text: "what is whole of a backup that verify calls damaged",
    },
    { line: "vertex-backup restore --undo --yes", text: "bring back what the last restore replaced" },
  ],
  define: (command, run) => {
    command
      .argument("[backup]", "id, the beginning of one, latest, or the path of a backup file")
      .addOption(typeOption("which latest is meant"))
      .option("--target <dir>", "restore into this folder instead of to where it was", filledPath)
      .addOption(new Option("--only <part>", "restore only this part").choices(["database", "storage"]))
      .option(
        "-i, --include <pattern>",
        "restore only matching names, gitignore style, e.g. 'uploads/2024/**'; repeatable",
        collect,
      )
      .option("-n, --dry-run", "change nothing, show what would be changed")
      .option("-y, --yes", "do not ask")
      .option("--live", "write databases through SQLite, so that a running app goes on")
      .option("--force", "replace a database although a process has it open")
      .option("--no-space-check", "try it although the files are larger than what is free")
      .option("--skip-damaged", "with --target: leave out what is damaged, and restore the rest")
      .option("--undo", "bring back what the last restore replaced")
      .option("--discard", "delete what the last restore replaced; it cannot be undone afterwards")
      .action((reference: string | undefined, options: RestoreOptions) =>
        run((context) => restore(context, reference, options)),
      );
  },
};

async function restore(
  context: CommandContext,
  reference: string | undefined,
  options: RestoreOptions,
): Promise<ExitCode> {
  checkUsage(reference, options);
  if (options.dryRun !== true && options.yes !== true) refuseWithoutAnswer(context);
  const { manager, vault } = await context.openManager();
  await using _closing = manager;
  if (options.undo === true) return await undo(context, manager, options);
  if (options.discard === true) return await discard(context, manager, options);
  return await restoreBackup(context, manager, { vault, reference: reference!, options });
}

function checkUsage(reference: string | undefined, options: RestoreOptions): void {
  const wanted = [reference !== undefined, options.undo === true, options.discard === true];
  if (wanted.filter(Boolean).length === 1) return;
  const what = wanted.some(Boolean) ? "more than one of a backup, --undo and --discard" : "no backup named";
  throw new BackupError("invalid-input", `Cannot restore: ${what}`, {
    hint: "Name one backup, for example: vertex-backup restore latest",
  });
}

interface Wanted {
  readonly vault: string;
  readonly reference: string;
  readonly options: RestoreOptions;
}

async function restoreBackup(
  context: CommandContext,
  manager: BackupManager,
  wanted: Wanted,
): Promise<ExitCode> {
  const { output, progress } = context;
  const request = await requestOf(context, manager, wanted);
  const { dryRun, yes } = wanted.options;
  // Comparing with what is there takes a look at every file: not where nobody gets to see what came of it.
  const isShown = dryRun === true || yes !== true || output.json;
  const plan = isShown ? await manager.planRestore(request) : undefined;
  progress.clear();
  if (plan !== undefined && yes !== true && dryRun !== true)
    await confirmOrRefuse(context, planTextOf(context, wanted, plan), "Restore?");
  const document = { restored: null, undone: null, discarded: null, plan: plan ? toSnakeCase(plan) : null };
  if (plan !== undefined && dryRun === true) {
    output.answer(
      () => document,
      () => [...planTextOf(context, wanted, plan), ...changeLines(plan, output.palette)],
    );
    return 0;
  }
  const result = await manager.restoreBackup(request, plan);
  progress.clear();
  const warnings = result.warnings.filter((warning) => !progress.shownWarnings.has(warning));
  output.report(
    () => ({ ...document, restored: toSnakeCase(result) }),
    () => restoredLines({ ...result, warnings }, context.options, output.palette),
  );
  return result.damagedCount > 0 ? 3 : 0;
}

function planTextOf({ io, output }: CommandContext, { vault }: Wanted, plan: RestorePlan): readonly string[] {
  const safety: SafetyPlace = { vault };
  return planLines(plan, safety, io.clock.now(), output.palette);
}

async function requestOf(
  context: CommandContext,
  manager: BackupManager,
  { reference, options }: Wanted,
): Promise<RestoreRequest> {
  const common = operationOptions(context);
  const backup =
    options.type === undefined
      ? reference
      : (await manager.getBackup(reference, { ...common, type: options.type })).id;
  return {
    ...common,
    backup,
    ...(options.target === undefined ? {} : { target: options.target }),
    ...(options.only === undefined ? {} : { only: options.only }),
    include: options.include ?? [],
    live: options.live === true,
    force: options.force === true,
    spaceCheck: options.spaceCheck !== false,
    skipDamaged: options.skipDamaged === true,
  };
}

/**
 * Says which restore is meant, and asks. Several apps may share a vault, so the last one is named;
 * what comes back pins it, so that what is done is what was agreed to.
 */
async function announce(
  context: CommandContext,
  manager: BackupManager,
  options: RestoreOptions,
  verb: string,
  question: string,
): Promise<{ readonly restoreId?: string }> {
  const kept = await manager.findKeptRestore(operationOptions(context));
  context.progress.clear();
  const lines = keptLines(kept, verb, context.io.clock.now());
  if (options.dryRun === true) {
    const untouched = { plan: null, restored: null, undone: null, discarded: null };
    context.output.answer(
      () => untouched,
      () => lines,
    );
  } else if (options.yes !== true && kept !== undefined) await confirmOrRefuse(context, lines, question);
  return kept === undefined ? {} : { restoreId: kept.restoreId };
}

async function undo(
  context: CommandContext,
  manager: BackupManager,
  options: RestoreOptions,
): Promise<ExitCode> {
  const kept = await announce(context, manager, options, "brings back", "Undo it?");
  if (options.dryRun === true) return 0;
  const result = await manager.undoRestore({ ...operationOptions(context), ...kept });
  context.progress.clear();
  context.output.report(
    () => ({ plan: null, restored: null, undone: toSnakeCase(result), discarded: null }),
    () => [
      context.output.palette.green("The last restore is undone"),
      ...result.restored.map((path) => `  ${safeText(path)} is as it was before`),
      "What was there until now is kept.",
      `Bring it back with: ${samePlace("restore --undo", context.options)}`,
      `Delete it with: ${samePlace("restore --discard", context.options)}`,
    ],
  );
  return 0;
}

async function discard(
  context: CommandContext,
  manager: BackupManager,
  options: RestoreOptions,
): Promise<ExitCode> {
  const kept = await announce(context, manager, options, "deletes for good", "Delete it?");
  if (options.dryRun === true) return 0;
  const gone = await manager.discardPreviousState({ ...operationOptions(context), ...kept });
  context.progress.clear();
  context.output.report(
    () => ({ plan: null, restored: null, undone: null, discarded: gone }),
    () => [
      `${formatQuantity(gone.length, "previous state")} deleted`,
      ...gone.map((path) => `  ${safeText(path)}`),
    ],
  );
  return 0;
}
