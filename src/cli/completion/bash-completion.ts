/**
 * The completion script for bash.
 *
 * @module
 */

import type { CompletedOption, CompletionModel } from "./completion-model.ts";

/** A script to be sourced, or put where bash-completion looks. */
export function bashCompletion({ options, commands }: CompletionModel): string {
  const everyOption = [...options, ...commands.flatMap((command) => command.options)];
  const values = new Map(everyOption.map((option) => [option.long, option]));
  const ofBackups = commands.filter((command) => command.takesBackup).map((command) => command.name);
  const cases = commands.map((command) => {
    const words = [...command.options, ...options].map((option) => option.long);
    return `    ${command.name}) words="${[...words, ...command.words].join(" ")}" ;;`;
  });
  return `# bash completion for vertex-backup
_vertex_backup() {
  local cur=\${COMP_WORDS[COMP_CWORD]} prev=\${COMP_WORDS[COMP_CWORD-1]} command="" words="" word
  case "$prev" in
${Array.from(values.values(), valueCase).join("")}  esac
  for word in "\${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    case "$word" in
      ${commands.map((command) => command.name).join("|")}) command=$word; break ;;
    esac
  done
  case "$command" in
${cases.join("\n")}
    *) words="${[...commands.map((command) => command.name), ...options.map((option) => option.long)].join(" ")}" ;;
  esac
  case "$command" in
    ${ofBackups.join("|")})
      case "$cur \${COMP_WORDS[*]}" in
        # Ids of the vault that is configured, not of another one.
        -*|*" --vault"*|*" --config"*|*" -c"*) ;;
        *) words="$words $("\${COMP_WORDS[0]}" completion bash --ids 2>/dev/null </dev/null)" ;;
      esac ;;
  esac
  COMPREPLY=($(compgen -W "$words" -- "$cur"))
  case "$command" in
    ${ofBackups.join("|")}) COMPREPLY+=($(compgen -f -- "$cur")) ;;
  esac
}
complete -o filenames -F _vertex_backup vertex-backup
`;
}

function valueCase(option: CompletedOption): string {
  const names = option.short === undefined ? option.long : `${option.long}|${option.short}`;
  const reply = {
    none: undefined,
    choices: `COMPREPLY=($(compgen -W "${option.choices.join(" ")}" -- "$cur"))`,
    file: `COMPREPLY=($(compgen -f -- "$cur"))`,
    directory: `COMPREPLY=($(compgen -d -- "$cur"))`,
    text: "COMPREPLY=()",
  }[option.value];
  return reply === undefined ? "" : `    ${names}) ${reply}; return ;;\n`;
}
