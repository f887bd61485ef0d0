/**
 * Runs the program as a user would: as a process, with a command line that is
 * printed first.
 *
 * @module
 */

import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { shellWord } from "../render/safe-text.ts";

export interface PublicCommandOptions {
  /** Folder it runs in. */
  readonly directory: string;
  readonly env: NodeJS.ProcessEnv;
  readonly signal: AbortSignal;
  /** Gets what the command prints, both streams. */
  readonly print: (text: string) => void;
}

/** One command that was run. */
export interface FinishedStep {
  readonly command: string;
  readonly exitCode: number;
  readonly durationMs: number;
}

/** Runs `vertex-backup` with these arguments and waits for its end. */
export async function runPublicCommand(
  args: readonly string[],
  options: PublicCommandOptions,
): Promise<FinishedStep> {
  const command = ["vertex-backup", ...args].map(shellWord).join(" ");
  options.print(`\n$ ${command}\n`);
  const startedMs = performance.now();
  const extension = import.meta.filename.endsWith(".ts") ? "ts" : "js";
  const program = join(import.meta.dirname, "..", "..", `main.${extension}`);
  const child = spawn(process.execPath, [program, ...args], {
    cwd: options.directory,
    env: options.env,
    stdio: ["ignore", "pipe", "pipe"],
    // A group of its own: Ctrl-C reaches it once, through us, and it cleans up.
    detached: true,
  });
  const cancel = (): void => void child.kill("SIGINT");
  options.signal.addEventListener("abort", cancel);
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding("utf8").on("data", (text: string) => options.print(text));
  }
  const [code] = (await once(child, "close")) as [number | null];
  options.signal.removeEventListener("abort", cancel);
  options.signal.throwIfAborted();
  return { command, exitCode: code ?? 1, durationMs: performance.now() - startedMs };
}
