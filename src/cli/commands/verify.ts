/**
 * `verify`: reads backups again and names what is wrong. Exit code 13 on damage.
 *
 * @module
 */

import { Option } from "commander";
import { toSnakeCase } from "../../contract/snake-case.ts";
import type { BackupType } from "../../domain/backup.ts";
import { BackupError } from "../../domain/error.ts";
import { formatBytes, formatQuantity } from "../../domain/units.ts";
import type { BackupManager } from "../../operations/backup-manager.ts";
import type { VerifiedBackup, VerifyRequest, VerifyResult } from "../../operations/requests.ts";
import { type CommandContext, type CommandModule, operationOptions } from "../command.ts";
import { type ExitCode, exitCodeOfKind } from "../exit-codes.ts";
import { typeOption } from "../option-values.ts";
import type { Palette } from "../render/palette.ts";
import { safeText } from "../render/safe-text.ts";

interface VerifyOptions {
  readonly type?: BackupType;
  readonly depth: "stored" | "content";
  readonly all?: boolean;
}

/** The command as the registry lists it. */
export const verifyCommand: CommandModule = {
  examples: [
    { line: "vertex-backup verify", text: "the newest backup" },
    { line: "vertex-backup verify --all --depth stored", text: "sizes and checksums of every backup" },
    { line: "vertex-backup verify latest --type database", text: "the newest database backup" },
  ],
  define: (command, run) => {
    command
      .argument("[backup]", "id, the beginning of one, latest, or a path (default: latest)")
      .addOption(typeOption("which latest is meant"))
      .addOption(
        new Option(
          "--depth <depth>",
          "stored: sizes and checksums; content: also every file's own hash, and databases opened and checked",
        )
          .choices(["stored", "content"])
          .default("content"),
      )
      .option("--all", "every backup of the vault")
      .action((reference: string | undefined, options: VerifyOptions) =>
        run((context) => verify(context, reference, options)),
      );
  },
};

async function verify(
  context: CommandContext,
  reference: string | undefined,
  options: VerifyOptions,
): Promise<ExitCode> {
  if (options.all === true && (reference !== undefined || options.type !== undefined)) {
    throw new BackupError("invalid-input", "Cannot verify: --all together with one backup or a type", {
      hint: "Leave out --all, or name nothing else.",
    });
  }
  const { manager } = await context.openManager();
  await using _closing = manager;
  const backup =
    options.all === true ? undefined : await namedBackup(context, manager, reference, options.type);
  const request: VerifyRequest = {
    ...operationOptions(context),
    depth: options.depth,
    ...(backup === undefined ? {} : { backup }),
  };
  const result = await manager.verifyBackup(request);
  context.progress.clear();
  const document = () => toSnakeCase(result);
  const text = () => renderVerification(result, context.output.palette);
  if (result.ok) context.output.report(document, text);
  else context.output.answer(document, text);
  return result.ok ? 0 : exitCodeOfKind.damaged;
}

async function namedBackup(
  context: CommandContext,
  manager: BackupManager,
  reference: string | undefined,
  type: BackupType | undefined,
): Promise<string> {
  if (type === undefined) return reference ?? "latest";
  const backup = await manager.getBackup(reference ?? "latest", { ...operationOptions(context), type });
  return backup.id;
}

/** One line a backup, each damage below it, and a last line that says it all. */
export function renderVerification(result: VerifyResult, palette: Palette): string[] {
  const lines = result.reports.flatMap((report) => reportLines(report, palette));
  const bad = result.reports.filter((report) => !report.ok).length;
  const total = formatQuantity(result.reports.length, "backup");
  const verdict = result.ok
    ? palette.green(`${total} verified, no damage`)
    : palette.red(`${bad} of ${total} damaged`);
  return [...lines, verdict];
}

function reportLines(report: VerifiedBackup, palette: Palette): string[] {
  const read = [
    formatBytes(report.bytesRead),
    ...(report.entriesChecked > 0 ? [formatQuantity(report.entriesChecked, "entry", "entries")] : []),
    ...(report.databasesChecked > 0 ? [formatQuantity(report.databasesChecked, "database")] : []),
  ].join(", ");
  const verdict = report.ok
    ? report.unverified
      ? palette.yellow("readable, but it has no checksums to compare with")
      : palette.green("ok")
    : palette.red("damaged");
  const damages = report.damages.map(({ object, path, message }) => {
    const place = path === undefined ? safeText(object) : `${safeText(object)}: ${safeText(path)}`;
    return palette.red(`  ${place}: ${safeText(message)}`);
  });
  return [`${safeText(report.id)}: ${verdict} (${read} read)`, ...damages];
}
