/**
 * `stats`: how many backups of each type, how large, how old, how many runs failed.
 *
 * @module
 */

import { toSnakeCase } from "../../contract/snake-case.ts";
import { formatBytes, formatCount } from "../../domain/units.ts";
import type { StatsResult } from "../../operations/requests.ts";
import { type CommandContext, type CommandModule, operationOptions } from "../command.ts";
import type { ExitCode } from "../exit-codes.ts";
import { renderFacts } from "../render/facts.ts";
import { formatIsoMoment } from "../render/moment.ts";
import type { Palette } from "../render/palette.ts";
import { safeText } from "../render/safe-text.ts";
import { type Column, renderTable } from "../render/table.ts";

/** The command as the registry lists it. */
export const statsCommand: CommandModule = {
  examples: [
    { line: "vertex-backup stats", text: "of ./backups" },
    { line: "vertex-backup stats --vault backups --json", text: "for monitoring" },
  ],
  define: (command, run) => {
    command.action(() => run(stats));
  },
};

async function stats(context: CommandContext): Promise<ExitCode> {
  const { manager } = await context.openManager();
  await using _closing = manager;
  const result = await manager.getBackupStats(operationOptions(context));
  context.progress.clear();
  const { output } = context;
  output.answer(
    () => toSnakeCase(result),
    () => renderStats(result, context.io.clock.now(), output.width, output.palette),
  );
  return 0;
}

const columns: readonly Column[] = [
  { title: "TYPE" },
  { title: "COUNT", align: "right" },
  { title: "SIZE", align: "right" },
  { title: "LAST" },
  { title: "OLDEST", optional: 1 },
];

/** The table of types with its totals below. */
export function renderStats(
  result: StatsResult,
  nowMs: number,
  width: number | undefined,
  palette: Palette,
): string[] {
  const rows = result.byType.map((type) => [
    { text: type.type },
    { text: formatCount(type.count) },
    { text: formatBytes(type.storedBytes) },
    { text: formatIsoMoment(type.lastAt, nowMs) },
    { text: formatIsoMoment(type.oldestAt, nowMs) },
  ]);
  const failed = `${formatCount(result.failed)} failed`;
  const facts = renderFacts(
    [
      ["vault", safeText(result.vault)],
      ["backups", `${formatCount(result.total)}, ${formatBytes(result.storedBytes)}`],
      ["safety", result.safetyCount === 0 ? "" : formatCount(result.safetyCount)],
      ["last", formatIsoMoment(result.lastAt, nowMs)],
      ["oldest", formatIsoMoment(result.oldestAt, nowMs)],
      [
        "runs",
        `${formatCount(result.succeeded)} succeeded, ${result.failed > 0 ? palette.red(failed) : failed}`,
      ],
      ["free", result.freeBytes === undefined ? "" : formatBytes(result.freeBytes)],
    ],
    palette.dim,
  );
  return [...renderTable(columns, rows, width, palette.bold), "", ...facts];
}
