/**
 * What a completion script has to know, taken from the program itself, so that no
 * option can be missing from it.
 *
 * @module
 */

import type { Command, Option } from "commander";

/** What follows an option: nothing, one of `choices`, a path, or something that cannot be guessed. */
type CompletedValue = "none" | "choices" | "file" | "directory" | "text";

export interface CompletedOption {
  readonly long: string;
  /** With its dash, e.g. `-t`. */
  readonly short: string | undefined;
  readonly description: string;
  readonly value: CompletedValue;
  readonly choices: readonly string[];
}

export interface CompletedCommand {
  readonly name: string;
  readonly summary: string;
  readonly options: readonly CompletedOption[];
  /** What may stand as its argument, besides files. */
  readonly words: readonly string[];
  readonly takesBackup: boolean;
}

export interface CompletionModel {
  readonly options: readonly CompletedOption[];
  readonly commands: readonly CompletedCommand[];
}

/** @param program With all its commands loaded */
export function completionModel(program: Command): CompletionModel {
  return {
    options: program.options.map(completedOption),
    commands: program.commands.map(completedCommand),
  };
}

/** Names of arguments that stand for a backup. */
const backupArguments: ReadonlySet<string> = new Set(["backup", "backups", "before", "after"]);

function completedCommand(command: Command): CompletedCommand {
  const takesBackup = command.registeredArguments.some((argument) => backupArguments.has(argument.name()));
  const choices = command.registeredArguments.flatMap((argument) => argument.argChoices ?? []);
  return {
    name: command.name(),
    summary: command.description(),
    options: command.options.map(completedOption),
    words: takesBackup ? ["latest"] : choices,
    takesBackup,
  };
}

function completedOption(option: Option): CompletedOption {
  const choices = option.argChoices ?? [];
  return {
    long: option.long ?? "",
    short: option.short,
    description: option.description,
    value: choices.length > 0 ? "choices" : kindOfValue(option.flags),
    choices,
  };
}

function kindOfValue(flags: string): CompletedValue {
  if (/<(path|file)>/.test(flags)) return "file";
  if (flags.includes("<dir>")) return "directory";
  return flags.includes("<") ? "text" : "none";
}
