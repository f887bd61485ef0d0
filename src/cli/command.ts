/**
 * What a command is: a file of `commands/` that adds itself to commander and does
 * its work over a {@link CommandContext}. It prints through the context, returns an
 * exit code and throws BackupErrors; it never touches the process.
 *
 * @module
 */

import type { Command } from "commander";
import type { BackupManager } from "../operations/backup-manager.ts";
import type { RunOptions } from "../operations/requests.ts";
import type { ExitCode } from "./exit-codes.ts";
import type { CliIo } from "./io.ts";
import type { Output } from "./output.ts";
import type { ProgressLine } from "./progress-line.ts";

/** Options every command takes, before or after its name. */
export interface GlobalOptions {
  readonly database?: readonly string[];
  readonly storage?: readonly string[];
  readonly vault?: string;
  readonly passwordFile?: string;
  readonly passwordCommand?: string;
  readonly config?: string;
  readonly source?: string;
  readonly lockWait?: number;
  readonly json?: boolean;
  readonly quiet?: boolean;
  readonly verbose?: boolean;
  /** False after `--no-color`. */
  readonly color: boolean;
}

/** Changes to folders of the configured sources that only `create` knows. */
export interface FolderOverrides {
  readonly exclude?: readonly string[];
  readonly oneFileSystem?: boolean;
  readonly excludeCaches?: boolean;
}

/** A manager and what it was made from. Dispose of `manager`. */
export interface OpenedManager {
  readonly manager: BackupManager;
  /** Absolute path of the vault. */
  readonly vault: string;
  /** Names of the configured sources. */
  readonly sourceNames: readonly string[];
  /** As configured: what a new vault is to be, where the command line does not say. */
  readonly format: "archive" | "repository" | undefined;
  /** From the environment, where the command line names no type. */
  readonly defaultType: "full" | "database" | "storage" | undefined;
}

/** Where a second vault is, and how it is opened. */
export interface OtherVault {
  readonly vault: string;
  readonly passwordFile?: string | undefined;
  readonly passwordCommand?: string | undefined;
  /** Of what kind it is made where there is none; as configured, else an archive vault, when left out. */
  readonly format?: "archive" | "repository" | undefined;
}

/** All a command may use. */
export interface CommandContext {
  readonly options: GlobalOptions;
  readonly output: Output;
  /** Hand it to every operation as `observer`. */
  readonly progress: ProgressLine;
  readonly signal: AbortSignal;
  readonly io: CliIo;
  readonly openManager: (folders?: FolderOverrides) => Promise<OpenedManager>;
  /** A manager of a second vault. What is not said of it is as for the first. */
  readonly openOther: (place: OtherVault) => Promise<OpenedManager>;
}

/** What every operation is told: how it is cancelled, who listens and which source is meant. */
export function operationOptions(context: CommandContext): RunOptions & { readonly source?: string } {
  const { source } = context.options;
  return {
    signal: context.signal,
    observer: context.progress,
    ...(source === undefined ? {} : { source }),
  };
}

/** Runs a command's work; commander waits for it. */
export type RunCommand = (work: (context: CommandContext) => Promise<ExitCode>) => Promise<void>;

/** A line of help that shows how the command is used. Every line runs as it stands; a test does. */
export interface Example {
  readonly line: string;
  readonly text: string;
}

export interface CommandModule {
  readonly examples: readonly Example[];
  /** Adds arguments, options and the action to the bare `command`. */
  readonly define: (command: Command, run: RunCommand) => void;
}
