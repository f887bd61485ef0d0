/**
 * One run of the command line inside a process it does not own: arguments in,
 * printed text and an exit code out. Tests call it directly.
 *
 * @module
 */

import { toolVersion } from "../app/tool-version.ts";
import { isAbort } from "../domain/error.ts";
import type { CommandContext, GlobalOptions } from "./command.ts";
import { type ErrorReport, errorBody, errorLines, reportError } from "./error-report.ts";
import { type ExitCode, exitCodeOfKind } from "./exit-codes.ts";
import type { CliIo } from "./io.ts";
import { openManager, optionsOfOther } from "./open-manager.ts";
import { Output } from "./output.ts";
import { createProgram, isCommanderError, usageErrorOf } from "./program.ts";
import { ProgressLine } from "./progress-line.ts";
import { createPalette, type Palette, wantsColour } from "./render/palette.ts";
import { safeJson, safeText } from "./render/safe-text.ts";

/** Runs the command line `argv` (without the program's name) to its end. Never throws. */
export async function runCommandLine(argv: readonly string[], io: CliIo): Promise<ExitCode> {
  const switchedOff = argv.includes("--no-color");
  const palette = createPalette(
    wantsColour({ isTerminal: io.stdout.isTTY === true, switchedOff, env: io.env }),
  );
  let exitCode: ExitCode = 0;
  try {
    // The completion script knows the options of every command.
    const wantsAll = argv.includes("completion") && !argv.includes("--ids");
    const isWanted = (name: string): boolean => argv.includes(name) || wantsAll;
    const program = await createProgram((entry) => isWanted(entry.name), {
      palette,
      width: io.stdout.isTTY === true ? io.stdout.columns : undefined,
      writeHelp: (text) => void io.stdout.write(text),
      // Printed while options are still being read, so it is looked for by its looks.
      versionText: argv.includes("--json") ? safeJson({ version: toolVersion }) : toolVersion,
      execute: async (options, work) => {
        exitCode = await execute(io, options, palette, work);
      },
    });
    if (argv.length === 0) program.help();
    await program.parseAsync(argv, { from: "user" });
    return exitCode;
  } catch (error) {
    const report = isCommanderError(error) ? usageReport(usageErrorOf(error)) : reportError(error);
    if (report === undefined) return 0;
    showError(report, error, argv, io);
    return report.exitCode;
  }
}

function usageReport(usage: ReturnType<typeof usageErrorOf>): ErrorReport | undefined {
  return usage && { kind: "invalid-input", exitCode: exitCodeOfKind["invalid-input"], ...usage };
}

function showError(report: ErrorReport, error: unknown, argv: readonly string[], io: CliIo): void {
  // Options may not have been understood, so they are looked for by their looks.
  if (argv.includes("--json")) {
    io.stdout.write(`${safeJson({ error: errorBody(report) })}\n`);
    return;
  }
  const palette = errorPalette(io, argv.includes("--no-color"));
  const lines = errorLines(report, palette);
  const verbose = argv.includes("-v") || argv.includes("--verbose");
  if (verbose && error instanceof Error && !isAbort(error)) lines.push(...traceLines(error));
  io.stderr.write(`${lines.join("\n")}\n`);
}

function errorPalette(io: CliIo, switchedOff: boolean): Palette {
  return createPalette(wantsColour({ isTerminal: io.stderr.isTTY === true, switchedOff, env: io.env }));
}

/** Where it was thrown, and the same of each cause, for bug reports. */
function traceLines(error: Error): string[] {
  const own = (error.stack ?? "")
    .split("\n")
    .slice(1)
    .map((line) => safeText(line));
  const { cause } = error;
  if (!(cause instanceof Error)) return own;
  return [...own, `caused by ${safeText(cause.message)}`, ...traceLines(cause)];
}

async function execute(
  io: CliIo,
  options: GlobalOptions,
  palette: Palette,
  work: (context: CommandContext) => Promise<ExitCode>,
): Promise<ExitCode> {
  const quiet = options.quiet === true;
  using progress = new ProgressLine({
    stream: io.stderr,
    clock: io.clock,
    palette: errorPalette(io, !options.color),
    // A dumb terminal, such as an editor's, shows what draws the line as text.
    drawn: io.stderr.isTTY === true && io.env["TERM"] !== "dumb" && !quiet,
    quiet,
    verbose: options.verbose === true && !quiet,
  });
  const stopListening = io.onStatusRequest(() => progress.printStatus());
  try {
    return await work({
      options,
      output: new Output({ stdout: io.stdout, palette, json: options.json === true, quiet }),
      progress,
      signal: io.signal,
      io,
      openManager: (folders) => openManager(options, folders ?? {}, { io, progress }),
      openOther: (place) => openManager(optionsOfOther(options, place), {}, { io, progress }),
    });
  } finally {
    stopListening();
  }
}
