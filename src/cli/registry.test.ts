import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import type { Command } from "commander";
import { blockNames, refreshBlocks } from "../testing/refresh-blocks.ts";
import { createProgram } from "./program.ts";
import { commandRegistry } from "./registry.ts";
import { createPalette } from "./render/palette.ts";

const documentPath = join(import.meta.dirname, "../../docs/commands.md");
const raw = { serializers: [(value: unknown) => value as string] };

function loadedProgram(): Promise<Command> {
  return createProgram(() => true, {
    palette: createPalette(false),
    width: undefined,
    writeHelp: () => {},
    versionText: "0",
    execute: () => Promise.resolve(),
  });
}

/** What `--help` prints, examples included. */
function helpOf(command: Command): string {
  let text = "";
  command.configureOutput({
    ...command.configureOutput(),
    writeOut: (part) => {
      text += part;
    },
  });
  command.outputHelp();
  return text;
}

test("the registry lists every file of commands/ and nothing else", () => {
  const files = readdirSync(join(import.meta.dirname, "commands"))
    .filter((name) => !name.endsWith(".test.ts"))
    .map((name) => name.replace(/\.ts$/, ""));
  assert.deepEqual(commandRegistry.map((entry) => entry.name).sort(), files.sort());
});

test("every command has a summary, examples that begin with its name, and an action", async () => {
  for (const entry of commandRegistry) {
    assert.match(entry.summary, /^[A-Z].*[^.]$/);
    const { examples } = await entry.load();
    assert.ok(examples.length > 0, entry.name);
    for (const { line } of examples) assert.ok(line.startsWith(`vertex-backup ${entry.name}`), line);
  }
});

test("every option says what it does, and no two of a command share a letter", async () => {
  const program = await loadedProgram();
  for (const command of program.commands) {
    const options = [...program.options, ...command.options];
    for (const option of options)
      assert.notEqual(option.description, "", `${command.name()} ${option.flags}`);
    const letters = options.flatMap((option) => option.short ?? []);
    assert.equal(new Set(letters).size, letters.length, command.name());
  }
});

test("docs/commands.md shows the help of every command as it is printed", async (context) => {
  const program = await loadedProgram();
  const document = readFileSync(documentPath, "utf8");
  const wanted = ["help", ...commandRegistry.map((entry) => `help: ${entry.name}`)];
  assert.deepEqual(blockNames(document), wanted);
  const refreshed = refreshBlocks(document, (name) => {
    const command = program.commands.find((candidate) => `help: ${candidate.name()}` === name) ?? program;
    const help = helpOf(command).replace(/Global Options:\n(.+\n)+/, "Global Options: as above\n");
    return `\`\`\`\n${help.trimEnd()}\n\`\`\`\n`;
  });
  context.assert.fileSnapshot(refreshed, documentPath, raw);
});
