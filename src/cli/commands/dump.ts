/**
 * `dump`: a file or a database of a backup, or a folder packed, to standard output
 * or into a file. Nothing a terminal would act on is written to one.
 *
 * @module
 */

import { resolve } from "node:path";
import { TextDecoder } from "node:util";
import { Option } from "commander";
import { toSnakeCase } from "../../contract/snake-case.ts";
import type { BackupType } from "../../domain/backup.ts";
import { BackupError } from "../../domain/error.ts";
import { type PackFormat, packFormats } from "../../domain/packed-item.ts";
import { formatBytes } from "../../domain/units.ts";
import type { Dump, DumpRequest } from "../../operations/browse/browse-requests.ts";
import { type CommandContext, type CommandModule, operationOptions } from "../command.ts";
import type { ExitCode } from "../exit-codes.ts";
import { filledPath, typeOption } from "../option-values.ts";
import { safeText } from "../render/safe-text.ts";
import { writeNewFile } from "../write-new-file.ts";

interface DumpOptions {
  readonly type?: BackupType;
  readonly format?: PackFormat;
  readonly output?: string;
  readonly force?: boolean;
}

/** The command as the registry lists it. */
export const dumpCommand: CommandModule = {
  examples: [
    { line: "vertex-backup dump latest uploads/notes.txt", text: "a file, to standard output" },
    { line: "vertex-backup dump latest app.db --output app-copy.db", text: "a database, into a new file" },
    { line: "vertex-backup dump latest uploads --format zip --output uploads.zip", text: "a folder" },
  ],
  define: (command, run) => {
    command
      .argument("<backup>", "id, the beginning of one, latest, or the path of a backup file")
      .argument("[path]", "a file, a database or a folder in it (default: everything)")
      .addOption(typeOption("which latest is meant"))
      .addOption(
        new Option("--format <format>", "pack it; folders are packed as tar if not told otherwise").choices(
          packFormats,
        ),
      )
      .option("-o, --output <file>", "write it there, when all of it is read and verified", filledPath)
      .option("--force", "write binary to a terminal, or replace the output file")
      .action((backup: string, path: string | undefined, options: DumpOptions) =>
        run((context) => dump(context, { backup, path, options })),
      );
  },
};

interface Wanted {
  readonly backup: string;
  readonly path: string | undefined;
  readonly options: DumpOptions;
}

async function dump(context: CommandContext, wanted: Wanted): Promise<ExitCode> {
  const { options } = wanted;
  if (context.output.json && options.output === undefined) {
    throw new BackupError("invalid-input", "Cannot dump: --json and the bytes cannot share standard output", {
      hint: "Name a file for the bytes with --output.",
    });
  }
  const { manager } = await context.openManager();
  await using _closing = manager;
  await using opened = await manager.browse.openDump(requestOf(context, wanted));
  if (options.output === undefined) await printBytes(context, opened, options.force === true);
  else await writeFile(context, opened, options.output, options.force === true);
  return 0;
}

function requestOf(context: CommandContext, { backup, path, options }: Wanted): DumpRequest {
  const { type, format } = options;
  return {
    ...operationOptions(context),
    backup,
    ...(path === undefined ? {} : { path }),
    ...(type === undefined ? {} : { type }),
    ...(format === undefined ? {} : { format }),
  };
}

async function printBytes(context: CommandContext, opened: Dump, force: boolean): Promise<void> {
  const { io, progress } = context;
  const guarded = io.stdout.isTTY === true && !force;
  if (guarded && opened.format !== "raw") throw binaryToTerminal(opened);
  const text = new TextDecoder("utf-8", { fatal: true });
  for await (const chunk of opened.bytes) {
    if (guarded && !isPlainText(chunk, text)) throw binaryToTerminal(opened);
    progress.clear();
    // A reader that went away has seen enough.
    if (!(await io.writeBytes(chunk))) return;
  }
  progress.clear();
}

/** A terminal acts on control characters, and on bytes that are no text it shows rubbish. */
function isPlainText(chunk: Uint8Array, decoder: TextDecoder): boolean {
  try {
    return !/[^\P{Cc}\t\n\r\f]/u.test(decoder.decode(chunk, { stream: true }));
  } catch {
    return false;
  }
}

function binaryToTerminal({ suggestedName }: Dump): BackupError {
  return new BackupError(
    "unsafe",
    `Cannot write ${suggestedName} to a terminal: it is binary or holds control characters`,
    { hint: "Send it elsewhere, name a file with --output, or add --force." },
  );
}

async function writeFile(
  context: CommandContext,
  opened: Dump,
  output: string,
  replace: boolean,
): Promise<void> {
  const path = resolve(output);
  const bytesWritten = await writeNewFile(path, opened.bytes, { replace, signal: context.signal });
  context.progress.clear();
  const { backup, entry, format } = opened;
  context.output.report(
    () => ({
      backup: backup.id,
      entry: entry === undefined ? null : toSnakeCase(entry),
      format,
      output: path,
      bytes_written: bytesWritten,
    }),
    () => [`${formatBytes(bytesWritten)} of ${safeText(backup.id)} written to ${safeText(path)}`],
  );
}
