/**
 * `compare`: what differs between two backups. Exit code 0 also where something
 * does, as `restic diff` and `borg diff` have it.
 *
 * @module
 */

import { toSnakeCase } from "../../contract/snake-case.ts";
import { formatBytes, formatQuantity } from "../../domain/units.ts";
import type { BackupManager } from "../../operations/backup-manager.ts";
import type { EntryDifference } from "../../operations/browse/browse-requests.ts";
import { type CommandContext, type CommandModule, operationOptions } from "../command.ts";
import type { ExitCode } from "../exit-codes.ts";
import { filled, filledPath } from "../option-values.ts";
import { differenceLine } from "../render/difference.ts";
import type { Palette } from "../render/palette.ts";

interface CompareOptions {
  readonly otherVault?: string;
  readonly otherPasswordFile?: string;
  readonly otherPasswordCommand?: string;
}

/** The command as the registry lists it. */
export const compareCommand: CommandModule = {
  examples: [
    {
      line: "vertex-backup compare db_backup_20240101_120000 latest",
      text: "what changed between two backups",
    },
    { line: "vertex-backup compare latest latest --json", text: "for scripts" },
    {
      line: "vertex-backup compare latest latest --other-vault backups",
      text: "with a backup of another vault",
    },
  ],
  define: (command, run) => {
    command
      .argument("<before>", "id, the beginning of one, latest, or the path of a backup file")
      .argument("<after>", "the same, of the later one")
      .option("--other-vault <dir>", "the later one is in this vault", filledPath)
      .option(
        "--other-password-file <file>",
        "holds the password of that vault (default: the same)",
        filledPath,
      )
      .option("--other-password-command <command>", "shell command that prints that password", filled)
      .action((before: string, after: string, options: CompareOptions) =>
        run((context) => compare(context, { before, after }, options)),
      );
  },
};

type Difference = EntryDifference["difference"];

async function compare(
  context: CommandContext,
  backups: { readonly before: string; readonly after: string },
  options: CompareOptions,
): Promise<ExitCode> {
  const { manager } = await context.openManager();
  await using _closing = manager;
  await using other = await openOther(context, options);
  const { output, progress } = context;
  const totals = new Totals();
  const request = { ...operationOptions(context), ...backups };
  const differences = manager.browse.compareBackups(request, (other.manager ?? manager).browse);
  await output.answerEach(differences, {
    lines: (difference) => {
      totals.add(difference);
      return [differenceLine(difference, output.palette)];
    },
    document: (difference) => {
      totals.add(difference);
      return toSnakeCase(difference);
    },
    whole: (documents) => ({ differences: documents, ...totals.document() }),
    summary: () => [totals.line(output.palette)],
    beforePrinting: () => progress.clear(),
  });
  return 0;
}

/** The manager of the other vault, if one is named. */
async function openOther(
  context: CommandContext,
  { otherVault, otherPasswordFile, otherPasswordCommand }: CompareOptions,
): Promise<AsyncDisposable & { readonly manager: BackupManager | undefined }> {
  const opened =
    otherVault === undefined
      ? undefined
      : await context.openOther({
          vault: otherVault,
          passwordFile: otherPasswordFile,
          passwordCommand: otherPasswordCommand,
        });
  return {
    manager: opened?.manager,
    [Symbol.asyncDispose]: async () => await opened?.manager[Symbol.asyncDispose](),
  };
}

/** Count and bytes of each kind of difference. */
class Totals {
  readonly #counts: Record<Difference, number> = { added: 0, removed: 0, changed: 0, attributes: 0 };
  readonly #bytes: Record<Difference, number> = { added: 0, removed: 0, changed: 0, attributes: 0 };

  add({ difference, before, after }: EntryDifference): void {
    this.#counts[difference]++;
    this.#bytes[difference] += (after ?? before)?.sizeBytes ?? 0;
  }

  document(): Record<Difference, { count: number; bytes: number }> {
    const of = (name: Difference): { count: number; bytes: number } => ({
      count: this.#counts[name],
      bytes: this.#bytes[name],
    });
    return {
      added: of("added"),
      removed: of("removed"),
      changed: of("changed"),
      attributes: of("attributes"),
    };
  }

  line(palette: Palette): string {
    const { added, removed, changed, attributes } = this.#counts;
    if (added + removed + changed + attributes === 0) return palette.green("No difference");
    const sized = (name: Exclude<Difference, "attributes">): string =>
      `${name} ${this.#counts[name]} (${formatBytes(this.#bytes[name])})`;
    const rest = `${formatQuantity(attributes, "entry", "entries")} with other attributes only`;
    return [sized("added"), sized("removed"), sized("changed"), rest].join(", ");
  }
}
