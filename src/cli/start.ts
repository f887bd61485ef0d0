/**
 * The command line as a process: signals, streams that break, exit code.
 *
 * @module
 */

import { closeSync, constants, openSync } from "node:fs";
import { systemClock } from "../domain/clock.ts";
import { BackupError } from "../domain/error.ts";
import { exitCodeCancelled } from "./exit-codes.ts";
import type { CliIo, OutputStream } from "./io.ts";
import { runCommandLine } from "./run-command-line.ts";

/** What asks a process to end. SIGHUP: the terminal is gone, the run must not be half done. */
const endSignals = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

/** The terminal of a process, if it has one; cannot be opened once that is gone. */
const terminalPath = "/dev/tty";

/** Runs this process's command line and sets its exit code. */
export async function start(): Promise<void> {
  const controller = new AbortController();
  listenForEnd(controller);
  const io: CliIo = {
    stdin: process.stdin,
    stdout: survivingStream(process.stdout),
    writeBytes: (bytes) => writeBytes(process.stdout, bytes),
    stderr: survivingStream(process.stderr),
    env: process.env,
    clock: systemClock,
    signal: controller.signal,
    onStatusRequest: (listener) => {
      process.on("SIGUSR1", listener);
      return () => process.off("SIGUSR1", listener);
    },
  };
  const code = await runCommandLine(process.argv.slice(2), io);
  // Where it is 0, output that could not be written has the say.
  if (code !== 0) process.exitCode = code;
}

/** The first signal cancels and cleans up; a second one within the cleanup ends the process at once. */
function listenForEnd(controller: AbortController): void {
  const hadTerminal = canOpenTerminal();
  for (const signal of endSignals) {
    process.on(signal, () => {
      if (signal === "SIGHUP" && !isHungUp(hadTerminal)) return;
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
 * Tells whether the terminal went away. `restic unlock` also sends SIGHUP to every process that holds a
 * lock, only to see whether it is there; as restic does, such a process goes on.
 */
function isHungUp(hadTerminal: boolean): boolean {
  return hadTerminal && !canOpenTerminal();
}

function canOpenTerminal(): boolean {
  try {
    closeSync(openSync(terminalPath, constants.O_RDONLY | constants.O_NOCTTY));
    return true;
  } catch {
    return false;
  }
}

/** Failures to write that the command itself ends with, and prints. */
const told = new WeakSet<Error>();

/** What is asked for as bytes must arrive whole: only a reader that went away by itself is no failure. */
function writeBytes(stream: NodeJS.WriteStream, bytes: Uint8Array): Promise<boolean> {
  return new Promise((resolve, reject) => {
    if (stream.errored !== null) resolve(false);
    else {
      stream.write(bytes, (error: NodeJS.ErrnoException | null | undefined) => {
        if (error === undefined || error === null) resolve(true);
        else if (error.code === "EPIPE" || error.code === "ERR_STREAM_DESTROYED") resolve(false);
        else {
          told.add(error);
          reject(notWritten(error));
        }
      });
    }
  });
}

function notWritten(cause: NodeJS.ErrnoException): BackupError {
  const kind = cause.code === "ENOSPC" ? "no-space" : "storage-unavailable";
  return new BackupError(kind, `Cannot write to standard output: ${cause.message}`, { cause });
}

/**
 * A stream whose reader may go away, as in `list | head`. Later writes are dropped and the
 * command goes on: a backup must not fail because nobody reads its summary.
 */
function survivingStream(stream: NodeJS.WriteStream): OutputStream {
  let isOpen = true;
  stream.on("error", (error: NodeJS.ErrnoException) => {
    if (isOpen && stream === process.stdout && error.code !== "EPIPE" && !told.has(error))
      process.stderr.write(`error: ${notWritten(error).message}\n`);
    isOpen = false;
    if (error.code !== "EPIPE") process.exitCode ||= 1;
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
