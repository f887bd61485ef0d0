/**
 * The completion script for zsh.
 *
 * @module
 */

import type { CompletedCommand, CompletedOption, CompletionModel } from "./completion-model.ts";

/** A script for a folder of `$fpath`, as `_vertex-backup`. */
export function zshCompletion({ options, commands }: CompletionModel): string {
  const shared = options.map(optionSpec);
  const cases = commands.map((command) => {
    const specs = [...command.options.map(optionSpec), ...shared, ...argumentSpec(command)];
    return `        ${command.name})\n          _arguments ${specs.join(" ")} ;;`;
  });
  const described = commands.map((command) => quote(`${command.name}:${escapeSpec(command.summary)}`));
  return `#compdef vertex-backup
# zsh completion for vertex-backup
_vertex_backup() {
  local -a commands
  local state line
  commands=(${described.join(" ")})
  _arguments -C ${shared.join(" ")} '1:command:->command' '*::argument:->argument'
  case $state in
    command) _describe command commands ;;
    argument)
      case $words[1] in
${cases.join("\n")}
      esac ;;
  esac
}
if [ "$funcstack[1]" = "_vertex-backup" ]; then _vertex_backup "$@"; else compdef _vertex_backup vertex-backup; fi
`;
}

function optionSpec(option: CompletedOption): string {
  const description = `[${escapeSpec(option.description)}]`;
  const value = {
    none: "",
    choices: `:value:(${option.choices.join(" ")})`,
    file: ":file:_files",
    directory: ":folder:_files -/",
    text: ":value:",
  }[option.value];
  const names = option.short === undefined ? [option.long] : [option.long, option.short];
  return names.map((name) => quote(`*${name}${description}${value}`)).join(" ");
}

function argumentSpec(command: CompletedCommand): string[] {
  if (command.words.length === 0) return [];
  const words = command.words.join(" ");
  const files = command.takesBackup ? " _files" : "";
  const ids = "$(vertex-backup completion zsh --ids 2>/dev/null </dev/null)";
  return [
    quote(
      `1:${command.takesBackup ? "backup" : "shell"}:${files === "" ? `(${words})` : `{compadd ${words} ${ids};${files}}`}`,
    ),
  ];
}

/** Colons and brackets mean something to _arguments. */
function escapeSpec(text: string): string {
  return text.replace(/[\\:[\]]/g, "\\$&");
}

function quote(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}
