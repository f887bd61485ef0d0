/**
 * `key`: the passwords of a repository. New ones come from a file, a command or the
 * terminal, never from the command line, where every user of the machine could read them.
 *
 * @module
 */

import { resolve } from "node:path";
import { Argument } from "commander";
import { readPassword } from "../../app/password.ts";
import { toSnakeCase } from "../../contract/snake-case.ts";
import { BackupError } from "../../domain/error.ts";
import { formatQuantity } from "../../domain/units.ts";
import type { BackupManager } from "../../operations/backup-manager.ts";
import type { VaultKey } from "../../operations/vault-requests.ts";
import { askNewPassword } from "../ask-password.ts";
import { type CommandContext, type CommandModule, operationOptions } from "../command.ts";
import type { ExitCode } from "../exit-codes.ts";
import { filled, filledPath } from "../option-values.ts";
import { formatIsoMoment } from "../render/moment.ts";
import { safeText } from "../render/safe-text.ts";
import { shownId } from "../render/shown-id.ts";
import { type Column, renderTable } from "../render/table.ts";

const actions = ["list", "add", "remove", "passwd"] as const;
type Action = (typeof actions)[number];

interface KeyOptions {
  readonly newPasswordFile?: string;
  readonly newPasswordCommand?: string;
  readonly host?: string;
  readonly user?: string;
}

/** The command as the registry lists it. */
export const keyCommand: CommandModule = {
  examples: [
    {
      line: "vertex-backup key list --vault repository --password-file password",
      text: "who has a password",
    },
    {
      line: "vertex-backup key add --new-password-file second --vault repository --password-file password",
      text: "one more password for the same backups",
    },
    {
      line: "vertex-backup key passwd --new-password-file third --vault repository --password-file second",
      text: "another password in the place of the one given",
    },
  ],
  define: (command, run) => {
    command
      .addArgument(new Argument("<action>", "what to do").choices(actions))
      .argument("[key]", "id of the key to remove, or its beginning")
      .option("--new-password-file <file>", "holds the password to set (default: asked for)", filledPath)
      .option("--new-password-command <cmd>", "shell command that prints it instead", filled)
      .option("--host <name>", "host to write into the new key, for people (default: this one)", filled)
      .option("--user <name>", "user to write into it (default: this one)", filled)
      .action((action: Action, key: string | undefined, options: KeyOptions) =>
        run((context) => runKey(context, action, key, options)),
      );
  },
};

async function runKey(
  context: CommandContext,
  action: Action,
  key: string | undefined,
  options: KeyOptions,
): Promise<ExitCode> {
  checkUse(action, key, options);
  const { manager } = await context.openManager();
  await using _closing = manager;
  const keys = await work(context, manager, { action, key, options });
  context.progress.clear();
  const { output } = context;
  const document = (): unknown => toSnakeCase({ action, keys });
  if (action === "list") output.answer(document, () => keyTable(context, keys));
  else output.report(document, () => keys.map((changed) => outcomeLine(context, action, changed)));
  return 0;
}

function checkUse(action: Action, key: string | undefined, options: KeyOptions): void {
  if (action === "remove" && key === undefined) {
    throw usage("no key is named", "key list shows the ids; name one.");
  }
  if (action !== "remove" && key !== undefined) {
    throw usage(`key ${action} takes no key`, "Leave out the id.");
  }
  if (options.newPasswordFile !== undefined && options.newPasswordCommand !== undefined) {
    throw usage("a file and a command for the new password", "Leave out one of the two.");
  }
  const sets = action === "add" || action === "passwd";
  if (!sets && Object.keys(options).length > 0) {
    throw usage(`key ${action} sets no password`, "Leave out options for new keys.");
  }
}

function usage(state: string, hint: string): BackupError {
  return new BackupError("invalid-input", `Cannot read the command line: ${state}`, { hint });
}

interface Use {
  readonly action: Action;
  readonly key: string | undefined;
  readonly options: KeyOptions;
}

/** The keys the action was about: all of them for a list. */
async function work(
  context: CommandContext,
  { maintenance }: BackupManager,
  { action, key = "", options }: Use,
): Promise<readonly VaultKey[]> {
  const run = operationOptions(context);
  if (action === "list") return await maintenance.listKeys(run);
  if (action === "remove") return [await maintenance.removeKey({ ...run, key })];
  // First the vault is opened with the old password, then the new one is asked for.
  await maintenance.listKeys(run);
  const request = {
    ...run,
    password: await newPassword(context, options),
    ...(options.host === undefined ? {} : { host: options.host }),
    ...(options.user === undefined ? {} : { username: options.user }),
  };
  return [action === "add" ? await maintenance.addKey(request) : await maintenance.changePassword(request)];
}

async function newPassword(context: CommandContext, options: KeyOptions): Promise<string> {
  const { io, progress, signal } = context;
  const { newPasswordFile: passwordFile, newPasswordCommand: passwordCommand } = options;
  const warn = (message: string): void => progress.warning(message);
  const read = { environment: io.env, warn };
  if (passwordFile !== undefined) return await readPassword({ file: resolve(passwordFile) }, read, signal);
  if (passwordCommand !== undefined) return await readPassword({ command: passwordCommand }, read, signal);
  progress.clear();
  return await askNewPassword(io, "New password: ");
}

const columns: readonly Column[] = [
  { title: "" },
  { title: "ID" },
  { title: "USER" },
  { title: "HOST", shrinkTo: 10 },
  { title: "CREATED", optional: 1 },
];

function keyTable({ output, io }: CommandContext, keys: readonly VaultKey[]): string[] {
  const nowMs = io.clock.now();
  const rows = keys.map((key) => [
    { text: key.current ? "*" : "" },
    { text: shownId(key.id) },
    { text: safeText(key.username) },
    { text: safeText(key.host) },
    { text: safeText(formatIsoMoment(key.createdAt, nowMs)) },
  ]);
  return [
    ...renderTable(columns, rows, output.width, output.palette.bold),
    "* opened by the password given",
    `${formatQuantity(keys.length, "key")}: the password of each opens the repository`,
  ];
}

function outcomeLine({ output }: CommandContext, action: Action, key: VaultKey): string {
  const id = output.palette.bold(shownId(key.id));
  if (action === "remove") return `Key ${id} of ${safeText(key.username)}@${safeText(key.host)} is removed`;
  return action === "add"
    ? `Key ${id} is added; its password opens the vault from now on, as the others do`
    : `Key ${id} has taken the place of the old one; put the new password where programs read it`;
}
