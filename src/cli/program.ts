/**
 * The commander program: options every command takes, the commands, and help.
 *
 * @module
 */

import { Command, CommanderError } from "commander";
import type { CommandModule, Example, GlobalOptions, RunCommand } from "./command.ts";
import { collectFilledPaths, filled, filledPath, waitMs } from "./option-values.ts";
import { type CommandEntry, commandRegistry } from "./registry.ts";
import type { Palette } from "./render/palette.ts";

/** Help is set for this width where the terminal does not say its own. */
const helpWidth = 100;

export interface ProgramOptions {
  readonly palette: Palette;
  /** Columns of the terminal, if there is one. */
  readonly width: number | undefined;
  readonly writeHelp: (text: string) => void;
  /** What `--version` prints. */
  readonly versionText: string;
  /** Runs an action with the global options as they were given. */
  readonly execute: (options: GlobalOptions, ...work: Parameters<RunCommand>) => Promise<void>;
}

/** A program with every command; those whose names are in `wanted` are loaded and complete, the others only listed. */
export async function createProgram(
  wanted: (entry: CommandEntry) => boolean,
  options: ProgramOptions,
): Promise<Command> {
  const program = new Command("vertex-backup");
  addGlobalOptions(program);
  configureHelp(program, options);
  program.description(
    "Backs up a live app: its SQLite databases and its folders of files, as one restore point.",
  );
  program.addHelpText("after", () => examplesText(programExamples, options.palette));
  program.version(options.versionText, "-V, --version", "print the version");
  program.helpOption("-h, --help", "print help").helpCommand("help [command]", "print the help of a command");
  program.exitOverride();
  for (const entry of commandRegistry) {
    const command = program.command(entry.name).description(entry.summary);
    command.helpOption("-h, --help", "print help");
    if (wanted(entry)) define(command, await entry.load(), program, options);
  }
  return program;
}

function define(command: Command, module: CommandModule, program: Command, options: ProgramOptions): void {
  command.addHelpText("after", () => examplesText(module.examples, options.palette));
  module.define(command, (work) => options.execute(program.opts<GlobalOptions>(), work));
}

const programExamples: readonly Example[] = [
  { line: "vertex-backup demo", text: "see it work on a sample app" },
  { line: "vertex-backup create --database app.db --storage uploads", text: "back up into ./backups" },
  { line: "vertex-backup list", text: "what there is" },
  { line: "vertex-backup restore latest --target restored --yes", text: "restore into another folder" },
];

function addGlobalOptions(program: Command): void {
  program
    .option("-d, --database <path>", "SQLite database to protect; repeatable", collectFilledPaths)
    .option("-s, --storage <dir>", "folder of files to protect; repeatable", collectFilledPaths)
    .option("--vault <dir>", "where backups are kept (default: backups, or as configured)", filledPath)
    .option("-p, --password-file <file>", "holds the password of a repository vault", filledPath)
    .option("--password-command <cmd>", "shell command that prints the password instead", filled)
    .option("-c, --config <file>", "configuration (default: vertex-backup.yaml, if it is there)", filledPath)
    .option("--source <name>", "the app that is meant, where several are configured", filled)
    .option("--lock-wait <duration>", "how long to wait for another run (default: 10m)", waitMs)
    .option("--json", "print one JSON document instead of text")
    .option("-q, --quiet", "print only errors, and what was asked for")
    .option("-v, --verbose", "print problems as they come")
    .option("--no-color", "print without colours, as with NO_COLOR set");
}

function configureHelp(program: Command, options: ProgramOptions): void {
  program.configureOutput({
    writeOut: options.writeHelp,
    // Errors are thrown and shown by the caller, in one form.
    writeErr: () => {},
    outputError: () => {},
    getOutHelpWidth: () => options.width ?? helpWidth,
    getErrHelpWidth: () => options.width ?? helpWidth,
    getOutHasColors: () => true,
  });
  program.configureHelp({
    showGlobalOptions: true,
    // The same whether a command is loaded, and its options known, or only listed.
    subcommandTerm: (command) => command.name(),
    styleTitle: (title) => options.palette.bold(title),
  });
}

function examplesText(examples: readonly Example[], palette: Palette): string {
  const lines = examples.map(({ line, text }) => `  ${line}\n      ${palette.dim(text)}`);
  return ["", palette.bold("Examples:"), ...lines].join("\n");
}

/** What commander threw: help that was printed (undefined), or a usage error in our words. */
export function usageErrorOf(error: CommanderError): { message: string; hint: string } | undefined {
  if (error.exitCode === 0) return undefined;
  const text = error.message.replace(/^error: /, "");
  const [message, ...suggestion] = text.split("\n");
  const help = "vertex-backup --help lists the commands, vertex-backup help COMMAND the options of one.";
  return { message: `Cannot read the command line: ${message}`, hint: [...suggestion, help].join(" ") };
}

/** Tells whether commander threw this. */
export function isCommanderError(error: unknown): error is CommanderError {
  return error instanceof CommanderError;
}
