/**
 * `show`: one backup, whole. Exit code 13 where it is known to be damaged, as `verify` has it.
 *
 * @module
 */

import { toSnakeCase } from "../../contract/snake-case.ts";
import type { Backup, BackupDatabase, BackupType } from "../../domain/backup.ts";
import { formatBytes, formatCount, formatDuration, formatQuantity } from "../../domain/units.ts";
import { type CommandContext, type CommandModule, operationOptions } from "../command.ts";
import { type ExitCode, exitCodeOfKind } from "../exit-codes.ts";
import { typeOption } from "../option-values.ts";
import { problemLines, renderFacts } from "../render/facts.ts";
import { formatIsoMoment, formatMoment } from "../render/moment.ts";
import { openByHand } from "../render/open-by-hand.ts";
import type { Palette } from "../render/palette.ts";
import { safeText } from "../render/safe-text.ts";
import { formatCheck, formatState } from "../render/state.ts";

/** The command as the registry lists it. */
export const showCommand: CommandModule = {
  examples: [
    { line: "vertex-backup show latest", text: "the newest backup" },
    { line: "vertex-backup show latest --type database", text: "the newest database backup" },
    { line: "vertex-backup show latest --json", text: "for scripts" },
  ],
  define: (command, run) => {
    command
      .argument("<backup>", "id, the beginning of one, latest, or the path of a backup file")
      .addOption(typeOption("which latest is meant"))
      .action((reference: string, options: { readonly type?: BackupType }) =>
        run((context) => show(context, reference, options.type)),
      );
  },
};

async function show(
  context: CommandContext,
  reference: string,
  type: BackupType | undefined,
): Promise<ExitCode> {
  const { manager, vault } = await context.openManager();
  await using _closing = manager;
  const backup = await manager.getBackup(reference, {
    ...operationOptions(context),
    ...(type === undefined ? {} : { type }),
  });
  context.progress.clear();
  const { output } = context;
  output.answer(
    () => ({ backup: toSnakeCase(backup), open_by_hand: openByHand(backup, vault) }),
    () => renderBackup(backup, vault, context.io.clock.now(), output.palette),
  );
  return backup.state === "damaged" ? exitCodeOfKind.damaged : 0;
}

/** Everything known of a backup, and how to open it by hand. */
export function renderBackup(backup: Backup, vault: string, nowMs: number, palette: Palette): string[] {
  const { counts, source, host, toolVersion } = backup;
  // Of files of others, and where the metadata is damaged, only what names and sizes say is known.
  const isKnown = source !== "";
  const facts = renderFacts(
    [
      ["state", formatState(backup, palette)],
      ["source", isKnown ? `${safeText(source)} on ${safeText(host)}` : ""],
      ["time", formatMoment(backup.startedAtMs, nowMs)],
      ["took", isKnown ? formatDuration(backup.durationMs) : ""],
      ["size", `${formatBytes(backup.storedBytes)} stored, ${formatBytes(backup.sourceBytes)} protected`],
      ["verified", formatIsoMoment(backup.verifiedAt, nowMs)],
      [
        "notes",
        [backup.pinned ? "pinned" : "", backup.safety ? "taken before a restore" : ""].filter(Boolean),
      ],
      ["tags", safeText(backup.tags.join(" "))],
      ["databases", backup.databases.map((database) => databaseLine(database, palette))],
      ["folders", backup.roots.map((root) => `${safeText(root.name)} from ${safeText(root.path)}`)],
      ["entries", backup.roots.length === 0 ? "" : countsLine(counts)],
      ["files", backup.files.map((file) => `${safeText(file.name)}, ${formatBytes(file.sizeBytes)}`)],
      ["copied from", copiedFromLine(backup)],
      ["made by", isKnown ? safeText(`vertex-backup ${toolVersion}`) : ""],
    ],
    palette.dim,
  );
  const problems = problemLines(backup.problems, backup.problemCount, palette.yellow);
  const commands = openByHand(backup, vault);
  return [
    `${palette.bold(safeText(backup.id))} (${backup.type})`,
    ...facts,
    ...section("Problems", problems, palette),
    ...section("Open it by hand", commands, palette),
  ];
}

function copiedFromLine({ copiedFrom }: Backup): string {
  return copiedFrom === undefined ? "" : `${safeText(copiedFrom.id)} in ${safeText(copiedFrom.vault)}`;
}

function countsLine(counts: Backup["counts"]): string {
  return [
    formatQuantity(counts.files, "file"),
    formatQuantity(counts.directories, "directory", "directories"),
    formatQuantity(counts.symlinks, "link"),
    `${formatCount(counts.unchangedFiles)} unchanged since the backup before`,
  ].join(", ");
}

function databaseLine(database: BackupDatabase, palette: Palette): string {
  const { check } = database;
  const verdict = (check.ok ? palette.green : palette.red)(formatCheck(check));
  // Of a file without metadata nobody knows where it was and how it was written.
  const place = database.path === "" ? "" : ` from ${safeText(database.path)}`;
  const mode = database.journalMode === "unknown" ? "" : `, journal mode ${safeText(database.journalMode)}`;
  return `${safeText(database.name)}${place}, ${formatBytes(database.sizeBytes)}${mode}, ${verdict}`;
}

function section(title: string, lines: readonly string[], palette: Palette): string[] {
  return lines.length === 0 ? [] : ["", palette.bold(title), ...lines.map((line) => `  ${line}`)];
}
