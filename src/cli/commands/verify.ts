/**
 * `verify`: reads backups again and names what is wrong. Exit code 13 on damage.
 *
 * @module
 */

import { Option } from "commander";
import { toSnakeCase } from "../../contract/snake-case.ts";
import type { BackupType } from "../../domain/backup.ts";
import { BackupError } from "../../domain/error.ts";
import { formatBytes, formatCount, formatQuantity } from "../../domain/units.ts";
import type { BackupManager } from "../../operations/backup-manager.ts";
import type {
  RepositoryFindings,
  VerifiedBackup,
  VerifyRequest,
  VerifyResult,
} from "../../operations/requests.ts";
import type { ReadData } from "../../operations/vault-requests.ts";
import { type CommandContext, type CommandModule, operationOptions } from "../command.ts";
import { type ExitCode, exitCodeOfKind } from "../exit-codes.ts";
import { dataSubset, typeOption } from "../option-values.ts";
import { damageLines } from "../render/damage.ts";
import type { Palette } from "../render/palette.ts";
import { safeText } from "../render/safe-text.ts";
import { shownId } from "../render/shown-id.ts";

interface VerifyOptions {
  readonly type?: BackupType;
  readonly depth?: "stored" | "content";
  readonly all?: boolean;
  readonly readData?: boolean;
  readonly readDataSubset?: ReadData;
}

/** The command as the registry lists it. */
export const verifyCommand: CommandModule = {
  examples: [
    { line: "vertex-backup verify", text: "the newest backup" },
    { line: "vertex-backup verify --all --depth stored", text: "sizes and checksums of every backup" },
    { line: "vertex-backup verify latest --type database", text: "the newest database backup" },
    {
      line: "vertex-backup verify --all --vault repository --password-file password",
      text: "whether a repository has all that its backups need",
    },
    {
      line: "vertex-backup verify --read-data-subset 1/7 --vault repository --password-file password",
      text: "a seventh of its data: one for each day of the week",
    },
  ],
  define: (command, run) => {
    command
      .argument("[backup]", "id, the beginning of one, latest, or a path (default: latest)")
      .addOption(typeOption("which latest is meant"))
      .addOption(
        new Option(
          "--depth <depth>",
          "stored: sizes and checksums; content: also every file's own hash, and databases opened and checked (default: content; stored for all backups of a repository)",
        ).choices(["stored", "content"]),
      )
      .option("--all", "every backup of the vault")
      .option("--read-data", "every backup, and of a repository every byte of it")
      .option(
        "--read-data-subset <part>",
        "read a part of a repository's data: 1/5 (the first fifth), 2.5% or 1G of it at random",
        dataSubset,
      )
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
  const readData = checkUse(reference, options);
  const { manager } = await context.openManager();
  await using _closing = manager;
  const isWhole = options.all === true || (readData !== undefined && reference === undefined);
  const backup = isWhole ? undefined : await namedBackup(context, manager, reference, options.type);
  const request: VerifyRequest = {
    ...operationOptions(context),
    ...(options.depth === undefined ? {} : { depth: options.depth }),
    ...(backup === undefined ? {} : { backup }),
    // One backup is read in full anyway.
    ...(readData === undefined || !isWhole ? {} : { readData }),
  };
  const result = await manager.verifyBackup(request);
  context.progress.clear();
  const document = () => toSnakeCase(result);
  const text = () => renderVerification(result, context.output.palette);
  if (result.ok) context.output.report(document, text);
  else context.output.answer(document, text);
  return result.ok ? 0 : exitCodeOfKind.damaged;
}

/** What is to be read of a repository, once it is clear that the options make sense together. */
function checkUse(reference: string | undefined, options: VerifyOptions): ReadData | undefined {
  const { all, type, depth, readDataSubset } = options;
  const one = reference !== undefined || type !== undefined;
  if (all === true && one) {
    throw usage("--all together with one backup or a type", "Leave out --all, or name nothing else.");
  }
  if (readDataSubset !== undefined && one) {
    throw usage("--read-data-subset together with one backup", "A backup is always read in full.");
  }
  const readData = options.readData === true ? "all" : readDataSubset;
  if (readData !== undefined && (depth === "stored" || (readDataSubset !== undefined && options.readData))) {
    throw usage("options that read different parts", "Name one of --depth, --read-data, --read-data-subset.");
  }
  return readData;
}

function usage(state: string, hint: string): BackupError {
  return new BackupError("invalid-input", `Cannot verify: ${state}`, { hint });
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
  const bad = result.reports.filter((report) => !report.ok).length;
  const total = formatQuantity(result.reports.length, "backup");
  const { repository, beside = [] } = result;
  const lines =
    repository === undefined
      ? result.reports.flatMap((report) => reportLines(report, palette))
      : repositoryLines(result, repository, palette);
  if (beside.length > 0) lines.push("Beside the backups:", ...damageLines(beside, palette));
  if (result.ok) return [...lines, palette.green(`${total} verified, no damage`)];
  const verdict = bad > 0 ? `${bad} of ${total} damaged` : "damaged, but no backup is known to need what is";
  return [...lines, palette.red(verdict)];
}

function repositoryLines(
  { reports }: VerifyResult,
  { damages, notes, packsRead, packsTotal, bytesRead }: RepositoryFindings,
  palette: Palette,
): string[] {
  const bad = reports.filter((report) => !report.ok).map((report) => shownId(report.id));
  return [
    extentOf({ packsRead, packsTotal, bytesRead }, damages.length > 0),
    ...damageLines(damages, palette),
    ...notes.map((note) => palette.yellow(`  note: ${safeText(note)}`)),
    ...(bad.length === 0 ? [] : [palette.red("Cannot be restored in full:"), ...bad.map((id) => `  ${id}`)]),
  ];
}

/** What was looked at. Where damage was found, packs may be unread because of that. */
function extentOf(
  { packsRead, packsTotal, bytesRead }: Pick<RepositoryFindings, "packsRead" | "packsTotal" | "bytesRead">,
  isDamaged: boolean,
): string {
  const packs = formatQuantity(packsTotal, "pack");
  if (packsRead > 0)
    return `Structure of ${packs} checked, ${formatCount(packsRead)} read in full, ${formatBytes(bytesRead)}`;
  if (packsTotal === 0) return isDamaged ? "No pack is there" : "Nothing is stored yet";
  const rest = isDamaged ? ", none read in full" : "; --read-data also reads what is in them";
  return `Structure of ${packs} checked${rest}`;
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
  return [`${shownId(report.id)}: ${verdict} (${read} read)`, ...damageLines(report.damages, palette)];
}
