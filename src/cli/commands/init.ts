/**
 * `init`: makes a vault. A repository unless told otherwise: an archive vault needs no
 * making, the first `create` does that.
 *
 * @module
 */

import { Option } from "commander";
import { toSnakeCase } from "../../contract/snake-case.ts";
import type { CreatedVault } from "../../operations/vault-requests.ts";
import { type CommandContext, type CommandModule, operationOptions } from "../command.ts";
import { confirmOrRefuse, refuseWithoutAnswer } from "../confirm.ts";
import type { ExitCode } from "../exit-codes.ts";
import { renderFacts } from "../render/facts.ts";
import { safeText } from "../render/safe-text.ts";
import { samePlace } from "../render/same-place.ts";

interface InitOptions {
  readonly format?: "archive" | "repository";
  readonly yes?: boolean;
}

/** The command as the registry lists it. */
export const initCommand: CommandModule = {
  examples: [
    {
      line: "vertex-backup init --vault repository --password-file password --yes",
      text: "a repository: deduplicated, encrypted, readable by restic",
    },
    {
      line: "vertex-backup init --vault archives --format archive --yes",
      text: "plain files, readable by hand",
    },
  ],
  define: (command, run) => {
    command
      .addOption(
        new Option(
          "--format <format>",
          "repository: deduplicated and encrypted, in restic's format; archive: plain files (default: as configured, else repository)",
        ).choices(["archive", "repository"]),
      )
      .option("-y, --yes", "do not ask")
      .action((options: InitOptions) => run((context) => init(context, options)));
  },
};

async function init(context: CommandContext, options: InitOptions): Promise<ExitCode> {
  if (options.yes !== true) refuseWithoutAnswer(context, "Add --yes to go on without being asked.");
  const { manager, vault, format: configured } = await context.openManager();
  await using _closing = manager;
  const format = options.format ?? configured ?? "repository";
  const { passwordFile, passwordCommand } = context.options;
  if (format === "archive" && (passwordFile ?? passwordCommand) !== undefined) {
    context.progress.warning("An archive vault is not encrypted: the password is not used");
  }
  // Asked once it is known that nothing is in the way.
  const beforeMaking = async (): Promise<void> => {
    if (options.yes === true) return;
    context.progress.clear();
    await confirmOrRefuse(context, [introduction(format, vault)], "Make it?");
  };
  const created = await manager.maintenance.createVault({
    ...operationOptions(context),
    format,
    beforeMaking,
  });
  context.progress.clear();
  context.output.report(
    () => toSnakeCase(created),
    () => createdLines(context, created),
  );
  return 0;
}

function introduction(format: CreatedVault["format"], vault: string): string {
  const place = safeText(vault);
  return format === "archive"
    ? `This makes an archive vault in ${place}: plain files, not encrypted.`
    : `This makes a repository in ${place}: encrypted, so that without the password nobody can restore from it.`;
}

function createdLines({ options, output }: CommandContext, created: CreatedVault): string[] {
  const { palette } = output;
  const isRepository = created.format === "repository";
  const next = [
    ...(isRepository
      ? [
          "Print this page, write the password on it, and keep it away from this machine:",
          `  ${samePlace("recovery-kit --output recovery-kit.txt", options)}`,
        ]
      : []),
    "Make the first backup:",
    `  ${samePlace("create", options)}`,
  ];
  const facts = renderFacts(
    [
      ["repository", created.repositoryId ?? ""],
      ["key", created.keyId ?? ""],
    ],
    palette.dim,
  );
  const what = isRepository ? "a repository" : "an archive vault";
  return [palette.green(`Made ${what} in ${safeText(created.vault)}`), ...facts, ...next];
}
