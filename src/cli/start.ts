/**
 * The command line as a process: signals, streams that break, exit code.
 *
 * @module
 */

import { systemClock } from "../domain/clock.ts";
import { exitCodeCancelled } from "./exit-codes.ts";
import type { CliIo, OutputStream } from "./io.ts";
import { runCommandLine } from "./run-command-line.ts";

/** What asks a process to end. SIGHUP: the terminal is gone, the run must not be half done. */
const endSignals = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

/** Runs this process's command line and sets its exit code. */
export async function start(): Promise<void> {
  const controller = new AbortController();
  listenForEnd(controller);
  const io: CliIo = {
    stdin: process.stdin,
    stdout: survivingStream(process.stdout),
    stderr: survivingStream(process.stderr),
    env: process.env,
    clock: systemClock,
    signal: controller.signal,
    onStatusRequest: (listener) => {
      process.on("SIGUSR1", listener);
      return () => process.off("SIGUSR1", listener);
    },
  };
  process.exitCode = await runCommandLine(process.argv.slice(2), io);
}

/** The first signal cancels and cleans up; a second one within the cleanup ends the process at once. */
function listenForEnd(controller: AbortController): void {
  for (const signal of endSignals) {
    process.on(signal, () => {
      if (controller.signal.aborted) {
        process.stderr.write("Stopped without cleaning up; a later run removes what is left over.\n");
        process.exit(exitCodeCancelled);
      }
      process.stderr.write("\nCancelling and cleaning up; once more stops at once.\n");
      controller.abort();
    });
  }
}

/**
 * A stream whose reader may go away, as in `list | head`. Later writes are dropped and the
 * command goes on: a backup must not fail because nobody reads its summary.
 */
function survivingStream(stream: NodeJS.WriteStream): OutputStream {
  let isOpen = true;
  stream.on("error", (error: NodeJS.ErrnoException) => {
    isOpen = false;
    if (error.code !== "EPIPE") process.exitCode = 1;
  });
  return {
    write: (text) => isOpen && stream.write(text),
    get isTTY() {
      return stream.isTTY;
    },
    get columns() {
      return stream.columns;
    },
  };
}
