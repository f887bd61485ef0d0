/**
 * The completion script for fish.
 *
 * @module
 */

import type { CompletedCommand, CompletedOption, CompletionModel } from "./completion-model.ts";

/** A script for `~/.config/fish/completions/vertex-backup.fish`. */
export function fishCompletion({ options, commands }: CompletionModel): string {
  return [
    "# fish completion for vertex-backup",
    "complete -c vertex-backup -f",
    ...options.map((option) => `complete -c vertex-backup ${optionFlags(option)}`),
    ...commands.flatMap(commandLines),
    "",
  ].join("\n");
}

function commandLines(command: CompletedCommand): string[] {
  const seen = `complete -c vertex-backup -n '__fish_seen_subcommand_from ${command.name}'`;
  return [
    `complete -c vertex-backup -n __fish_use_subcommand -a ${command.name} -d ${quote(command.summary)}`,
    ...(command.words.length > 0 ? [`${seen} -a ${quote(command.words.join(" "))}`] : []),
    ...(command.takesBackup
      ? [`${seen} -a '(vertex-backup completion fish --ids 2>/dev/null </dev/null)'`, `${seen} -F`]
      : []),
    ...command.options.map((option) => `${seen} ${optionFlags(option)}`),
  ];
}

function optionFlags(option: CompletedOption): string {
  const short = option.short === undefined ? "" : `-s ${option.short.slice(1)} `;
  const value = {
    none: "",
    choices: ` -x -a ${quote(option.choices.join(" "))}`,
    file: " -r -F",
    directory: " -x -a '(__fish_complete_directories)'",
    text: " -x",
  }[option.value];
  return `${short}-l ${option.long.slice(2)}${value} -d ${quote(option.description)}`;
}

/** Inside single quotes fish knows two escapes. */
function quote(text: string): string {
  return `'${text.replace(/[\\']/g, "\\$&")}'`;
}
