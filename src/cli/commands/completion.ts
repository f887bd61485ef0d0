/**
 * `completion`: prints what makes the shell complete commands and options.
 *
 * @module
 */

import { Argument } from "commander";
import type { CommandContext, CommandModule } from "../command.ts";
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
      .option("--ids", "print the ids that the script offers instead, as it does itself")
      .action((shell: Shell, { ids }: { readonly ids?: boolean }) =>
        run(async (context) => {
          const { output } = context;
          if (ids === true) {
            const offered = await idsOf(context);
            output.answer(
              () => ({ shell, script: "", ids: offered }),
              () => [...offered],
            );
            return 0;
          }
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

/** Nothing is said of a configuration that makes no sense: whoever types sees it when the command runs. */
async function idsOf({ options, io, signal }: CommandContext): Promise<readonly string[]> {
  const [{ loadConfiguration }, { offeredIds }] = await Promise.all([
    import("../../app/load-configuration.ts"),
    import("../../app/offered-ids.ts"),
  ]);
  const { vault, config } = options;
  const overrides = {
    ...(vault === undefined ? {} : { vault }),
    ...(config === undefined ? {} : { config }),
  };
  try {
    const { configuration } = await loadConfiguration(overrides, io.env, process.cwd());
    return await offeredIds(configuration, { clock: io.clock, environment: io.env }, signal);
  } catch {
    signal.throwIfAborted();
    return [];
  }
}
