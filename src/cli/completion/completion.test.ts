import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import type { Command } from "commander";
import { createProgram } from "../program.ts";
import { createPalette } from "../render/palette.ts";
import { bashCompletion } from "./bash-completion.ts";
import { completionModel } from "./completion-model.ts";
import { fishCompletion } from "./fish-completion.ts";
import { zshCompletion } from "./zsh-completion.ts";

function loadedProgram(): Promise<Command> {
  return createProgram(() => true, {
    palette: createPalette(false),
    width: undefined,
    writeHelp: () => {},
    versionText: "",
    execute: () => Promise.resolve(),
  });
}

test("the scripts of all shells know every command and every option", async () => {
  const model = completionModel(await loadedProgram());
  assert.ok(model.commands.length >= 12);
  const scripts = { bash: bashCompletion(model), zsh: zshCompletion(model), fish: fishCompletion(model) };
  for (const [shell, script] of Object.entries(scripts)) {
    for (const command of model.commands) {
      assert.ok(script.includes(command.name), `${shell} ${command.name}`);
      for (const { long } of [...command.options, ...model.options]) {
        const wanted = shell === "fish" ? `-l ${long.slice(2)}` : long;
        assert.ok(script.includes(wanted), `${shell} ${command.name} ${long}`);
      }
    }
  }
});

test("the scripts are accepted by the shells that are installed here", async (context) => {
  const model = completionModel(await loadedProgram());
  const directory = mkdtempSync(join(tmpdir(), "vertex-backup-completion-"));
  context.after(() => rmSync(directory, { recursive: true }));
  const scripts = { bash: bashCompletion(model), zsh: zshCompletion(model), fish: fishCompletion(model) };
  const checked = Object.entries(scripts).filter(([shell, script]) => {
    const file = join(directory, shell);
    writeFileSync(file, script);
    const { status, error, stderr } = spawnSync(shell, ["-n", file], { encoding: "utf8" });
    assert.equal(error === undefined ? status : 0, 0, `${shell}: ${stderr}`);
    return error === undefined;
  });
  context.diagnostic(
    `checked ${checked.map(([shell]) => shell).join(", ") || "none, no shell is installed"}`,
  );
});

/** What bash offers after these words; undefined where there is no bash. The vault has one backup, `full_backup_1`. */
function offeredByBash(script: string, words: readonly string[]): string[] | undefined {
  const program = `${script}
vertex-backup() { [ "$*" = "completion bash --ids" ] && echo full_backup_1; }
COMP_WORDS=(${words.map((word) => `'${word}'`).join(" ")}); COMP_CWORD=${words.length - 1}
_vertex_backup; printf '%s\\n' "\${COMPREPLY[@]}"`;
  if (spawnSync("bash", ["--version"]).error !== undefined) return undefined;
  return execFileSync("bash", ["-c", program], { encoding: "utf8", cwd: "/" }).trim().split("\n");
}

test("bash completes commands, options of the command, and values of options", async () => {
  const script = bashCompletion(completionModel(await loadedProgram()));
  const cases: [string[], string[]][] = [
    [["vertex-backup", "ve"], ["verify"]],
    [["vertex-backup", "create", "--inte"], ["--integrity-check"]],
    [["vertex-backup", "list", "--type", "d"], ["database"]],
    [["vertex-backup", "--json", "restore", "la"], ["latest"]],
    [["vertex-backup", "completion", "z"], ["zsh"]],
    [["vertex-backup", "show", "full"], ["full_backup_1"]],
    [["vertex-backup", "--vault", "other", "show", "full"], [""]],
    [["vertex-backup", "create", "full"], [""]],
    [["no-such-program", "show", "full"], [""]],
    [["vertex-backup", "list", "--integ"], [""]],
  ];
  for (const [words, wanted] of cases) {
    const offered = offeredByBash(script, words);
    assert.deepEqual(offered ?? wanted, wanted, words.join(" "));
  }
});
