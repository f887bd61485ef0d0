/**
 * `recovery-kit`: the page that brings the backups of a repository back without us.
 *
 * @module
 */

import { writeFile } from "node:fs/promises";
import { resolve } from "node:path";
import { toSnakeCase } from "../../contract/snake-case.ts";
import { BackupError, errorText } from "../../domain/error.ts";
import { type CommandContext, type CommandModule, operationOptions } from "../command.ts";
import type { ExitCode } from "../exit-codes.ts";
import { filledPath } from "../option-values.ts";
import { kitCommands, kitPage, renderRecoveryKit } from "../render/recovery-kit.ts";
import { safeText } from "../render/safe-text.ts";

interface KitOptions {
  readonly output?: string;
  readonly html?: boolean;
}

/** The command as the registry lists it. */
export const recoveryKitCommand: CommandModule = {
  examples: [
    {
      line: "vertex-backup recovery-kit --vault repository --password-file password",
      text: "read it; pipe it to lpr to print it",
    },
    {
      line: "vertex-backup recovery-kit --html --output kit.html --vault repository --password-file password",
      text: "as a file for a browser to print",
    },
  ],
  define: (command, run) => {
    command
      .option("-o, --output <file>", "write it into a new file that only you can read", filledPath)
      .option("--html", "as a page for a browser")
      .action((options: KitOptions) => run((context) => recoveryKit(context, options)));
  },
};

async function recoveryKit(context: CommandContext, options: KitOptions): Promise<ExitCode> {
  const { manager } = await context.openManager();
  await using _closing = manager;
  const facts = await manager.maintenance.gatherRecoveryFacts(operationOptions(context));
  context.progress.clear();
  const lines = renderRecoveryKit(facts);
  const page = options.html === true ? kitPage(lines) : `${lines.join("\n")}\n`;
  const file = options.output === undefined ? undefined : resolve(options.output);
  if (file !== undefined) await writeKit(file, page);
  const document = (): unknown => {
    const { madeAtMs: _, ...stated } = facts;
    return { ...toSnakeCase(stated), commands: kitCommands(facts), page, file: file ?? null };
  };
  if (file === undefined) context.output.answer(document, () => [page.trimEnd()]);
  else {
    const written = `Written to ${safeText(file)}; print it, and write the password on it.`;
    context.output.report(document, () => [written]);
  }
  return 0;
}

async function writeKit(file: string, page: string): Promise<void> {
  try {
    await writeFile(file, page, { flag: "wx", mode: 0o600, flush: true });
  } catch (error) {
    throw notWritten(file, error);
  }
}

function notWritten(file: string, cause: unknown): BackupError {
  const exists = (cause as NodeJS.ErrnoException).code === "EEXIST";
  return new BackupError(
    exists ? "exists" : "storage-unavailable",
    `Cannot write the recovery kit to ${file}: ${exists ? "the file is there already" : errorText(cause)}`,
    { cause, hint: exists ? "Choose another name, or delete the old one." : "Choose another place." },
  );
}
