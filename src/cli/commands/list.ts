/**
 * `list`: the backups of a vault, newest first.
 *
 * @module
 */

import { toSnakeCase } from "../../contract/snake-case.ts";
import type { Backup, BackupType } from "../../domain/backup.ts";
import { formatAge, formatBytes, formatQuantity } from "../../domain/units.ts";
import { type CommandContext, type CommandModule, operationOptions } from "../command.ts";
import type { ExitCode } from "../exit-codes.ts";
import { momentMs, typeOption } from "../option-values.ts";
import { formatLocalTime } from "../render/moment.ts";
import type { Palette } from "../render/palette.ts";
import { safeText } from "../render/safe-text.ts";
import { shownId } from "../render/shown-id.ts";
import { statePaint } from "../render/state.ts";
import { type Cell, type Column, renderTable } from "../render/table.ts";

interface ListOptions {
  readonly type?: BackupType;
  readonly tag?: string;
  readonly since?: string;
  readonly until?: string;
}

/** The command as the registry lists it. */
export const listCommand: CommandModule = {
  examples: [
    { line: "vertex-backup list", text: "all backups in ./backups" },
    { line: "vertex-backup list --type database --since 7d", text: "database backups of the last week" },
    { line: "vertex-backup list --vault backups --json", text: "for scripts" },
  ],
  define: (command, run) => {
    command
      .addOption(typeOption("only backups of this type"))
      .option("--tag <tag>", "only backups with this tag")
      .option("--since <time>", "only backups made since, e.g. 2024-01-31 or 7d (days; h hours, w weeks)")
      .option("--until <time>", "only backups made until then")
      .action((options: ListOptions) => run((context) => list(context, options)));
  },
};

async function list(context: CommandContext, options: ListOptions): Promise<ExitCode> {
  const nowMs = context.io.clock.now();
  const sinceMs = options.since === undefined ? undefined : momentMs(options.since, nowMs, false);
  const untilMs = options.until === undefined ? undefined : momentMs(options.until, nowMs, true);
  const { manager, vault } = await context.openManager();
  await using _closing = manager;
  const backups = await manager.listBackups({
    ...operationOptions(context),
    ...(options.type === undefined ? {} : { type: options.type }),
    ...(options.tag === undefined ? {} : { tag: options.tag }),
    ...(sinceMs === undefined ? {} : { sinceMs }),
    ...(untilMs === undefined ? {} : { untilMs }),
  });
  context.progress.clear();
  const { output } = context;
  output.answer(
    () => toSnakeCase({ backups }),
    () =>
      backups.length === 0
        ? [`No backups in ${safeText(vault)}`]
        : renderBackupList(backups, nowMs, output.width, output.palette),
  );
  return 0;
}

const columns: readonly Column[] = [
  { title: "ID", shrinkTo: 20 },
  { title: "TYPE", optional: 3 },
  { title: "TIME", optional: 1 },
  { title: "AGE" },
  { title: "SOURCE", optional: 2, shrinkTo: 8 },
  { title: "SIZE", align: "right" },
  { title: "STATE" },
  { title: "NOTES", optional: 4, shrinkTo: 6 },
];

/** The table of `list` with its sum below. */
export function renderBackupList(
  backups: readonly Backup[],
  nowMs: number,
  width: number | undefined,
  palette: Palette,
): string[] {
  const rows = backups.map((backup) => backupCells(backup, nowMs, palette));
  const total = backups.reduce((sum, backup) => sum + backup.storedBytes, 0);
  const footer = `${formatQuantity(backups.length, "backup")}, ${formatBytes(total)}`;
  return [...renderTable(columns, rows, width, palette.bold), footer];
}

function backupCells(backup: Backup, nowMs: number, palette: Palette): Cell[] {
  const notes = [
    ...(backup.pinned ? ["pinned"] : []),
    ...(backup.safety ? ["safety"] : []),
    ...(backup.verifiedAt === undefined ? [] : ["verified"]),
    ...backup.tags.map((tag) => `#${safeText(tag)}`),
  ];
  return [
    { text: shownId(backup.id) },
    { text: backup.type },
    { text: formatLocalTime(backup.startedAtMs) },
    { text: formatAge(nowMs - backup.startedAtMs), paint: palette.dim },
    { text: safeText(backup.source) },
    { text: formatBytes(backup.storedBytes) },
    { text: backup.state, paint: statePaint(backup.state, palette) },
    { text: notes.join(" "), paint: palette.dim },
  ];
}
