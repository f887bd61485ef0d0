/**
 * The outside of the command line in memory: what was printed can be read, time
 * stands still, nothing is a terminal unless said so.
 *
 * @module
 */

import { Readable } from "node:stream";
import type { CliIo, OutputStream } from "../cli/io.ts";
import type { Clock } from "../domain/clock.ts";

/** A stream that keeps what is written to it. */
export interface MemoryStream extends OutputStream {
  text: string;
}

export interface MemoryIoOptions {
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** Columns of a terminal that both streams and the input are; no terminal when left out. */
  readonly terminalWidth?: number;
  readonly input?: string;
  readonly clock?: Clock;
  readonly signal?: AbortSignal;
}

export interface MemoryIo extends CliIo {
  readonly stdout: MemoryStream;
  readonly stderr: MemoryStream;
  /** As SIGUSR1 would. */
  askForStatus(): void;
}

/** A stream in memory, a terminal if it has a width. */
export function memoryStream(columns?: number): MemoryStream {
  return {
    text: "",
    ...(columns === undefined ? {} : { columns, isTTY: true }),
    write(text) {
      this.text += text;
    },
  };
}

/** A complete outside. The clock is the real one's hour, standing still, unless given. */
export function memoryIo(options: MemoryIoOptions = {}): MemoryIo {
  const listeners = new Set<() => void>();
  const isTerminal = options.terminalWidth !== undefined;
  const stdin = Object.assign(Readable.from(options.input === undefined ? [] : [options.input]), {
    ...(isTerminal ? { isTTY: true } : {}),
  }) as unknown as CliIo["stdin"];
  const stdout = memoryStream(options.terminalWidth);
  return {
    stdin,
    stdout,
    writeBytes: async (bytes) => {
      stdout.text += Buffer.from(bytes).toString("latin1");
      return true;
    },
    stderr: memoryStream(options.terminalWidth),
    env: options.env ?? {},
    clock: options.clock ?? { now: () => Date.now(), elapsed: () => performance.now() },
    signal: options.signal ?? new AbortController().signal,
    onStatusRequest: (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    askForStatus: () => {
      for (const listener of listeners) listener();
    },
  };
}
