/**
 * `completion`: prints what makes the shell complete commands and options.
 *
 * @module
 */

import { Argument } from "commander";
import type { CommandModule } from "../command.ts";
import { bashCompletion } from "../completion/bash-completion.ts";
import { type CompletionModel, completionModel } from "../completion/completion-model.ts";
import { fishCompletion } from "../completion/fish-completion.ts";
import { zshCompletion } from "../completion/zsh-completion.ts";

type Shell = "bash" | "zsh" | "fish";

const writers: Readonly<Record<Shell, (model: CompletionModel) => string>> = {
  bash: bashCompletion,
  zsh: zshCompletion,
  fish: fishCompletion,
};

/** The command as the registry lists it. */
export const completionCommand: CommandModule = {
  examples: [
    {
      line: "vertex-backup completion bash",
      text: "for bash; in ~/.bashrc: source <(vertex-backup completion bash)",
    },
    {
      line: "vertex-backup completion zsh",
      text: "for zsh; save it as _vertex-backup in a folder of $fpath",
    },
    { line: "vertex-backup completion fish", text: "for fish; save it in ~/.config/fish/completions/" },
  ],
  define: (command, run) => {
    command
      .addArgument(new Argument("<shell>", "which shell").choices(["bash", "zsh", "fish"]))
      .action((shell: Shell) =>
        run(async ({ output }) => {
          // The program, whose every command is loaded when this one is.
          const script = writers[shell](completionModel(command.parent!));
          output.answer(
            () => ({ shell, script }),
            () => [script.trimEnd()],
          );
          return 0;
        }),
      );
  },
};
