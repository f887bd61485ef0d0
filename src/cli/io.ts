/**
 * What the command line touches of its process, as parameters, so that tests can
 * run whole commands inside their own process and read what was printed.
 *
 * @module
 */

import type { Clock } from "../domain/clock.ts";

/** The part of `process.stdout` that is used. */
export interface OutputStream {
  write(text: string): unknown;
  readonly isTTY?: boolean;
  readonly columns?: number;
}

export interface CliIo {
  readonly stdin: NodeJS.ReadableStream & {
    readonly isTTY?: boolean;
    /** There on terminals: keys come as they are pressed, and none is shown. */
    readonly setRawMode?: (raw: boolean) => unknown;
  };
  readonly stdout: OutputStream;
  /** Bytes to standard output. Resolves when they may be used again: to false once nobody reads it any more. */
  readonly writeBytes: (bytes: Uint8Array) => Promise<boolean>;
  readonly stderr: OutputStream;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly clock: Clock;
  /** Aborted by Ctrl-C and by signals that ask the process to end. */
  readonly signal: AbortSignal;
  /** Calls `listener` whenever somebody asks where the operation stands. Returns how to stop. */
  readonly onStatusRequest: (listener: () => void) => () => void;
}
