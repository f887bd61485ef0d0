/**
 * `create`: makes a backup of one source, or of every configured one. Exit code 3
 * where a backup was made that somebody should look at.
 *
 * @module
 */

import { toSnakeCase } from "../../contract/snake-case.ts";
import { type BackupType, incompleteKinds } from "../../domain/backup.ts";
import type { SourceOutcome } from "../../operations/requests.ts";
import { type CommandContext, type CommandModule, type OpenedManager, operationOptions } from "../command.ts";
import { errorBody, errorLines, reportError } from "../error-report.ts";
import { type ExitCode, exitCodeOfState } from "../exit-codes.ts";
import { collect, collectFilled, gzipLevel, typeOption } from "../option-values.ts";
import { renderCreated } from "../render/created.ts";

interface CreateOptions {
  readonly type?: BackupType;
  readonly exclude?: readonly string[];
  readonly oneFileSystem?: boolean;
  readonly excludeCaches?: boolean;
  readonly integrityCheck?: boolean;
  readonly level?: number;
  readonly tag?: readonly string[];
  readonly rotate: boolean;
}

/** The command as the registry lists it. */
export const createCommand: CommandModule = {
  examples: [
    {
      line: "vertex-backup create --database app.db --storage uploads",
      text: "both as one restore point, into ./backups",
    },
    { line: "vertex-backup create --type database --database app.db", text: "only the database" },
    {
      line: "vertex-backup create --storage uploads --exclude '*.tmp' --tag before-upgrade",
      text: "without some files, with a tag",
    },
    { line: "vertex-backup create --config vertex-backup.yaml", text: "every app of a configuration file" },
  ],
  define: (command, run) => {
    command
      .addOption(typeOption("what to back up (default: everything the source has)"))
      .option("-e, --exclude <pattern>", "leave out matching files, gitignore style; repeatable", collect)
      .option("--one-file-system", "do not follow into other file systems")
      .option("--exclude-caches", "leave out folders that hold a CACHEDIR.TAG")
      .option("--integrity-check", "check captured databases thoroughly instead of quickly")
      .option(
        "--level <n>",
        "compression by zlib, 1 (fast) to 9 (small); by default our own, fast and about the size gzip makes",
        gzipLevel,
      )
      .option("--tag <tag>", "give the backup a tag; repeatable", collectFilled)
      .option("--no-rotate", "do not remove old backups afterwards")
      .action((options: CreateOptions) => run((context) => create(context, options)));
  },
};

async function create(context: CommandContext, options: CreateOptions): Promise<ExitCode> {
  const opened = await context.openManager(options);
  await using _closing = opened.manager;
  const outcomes = await createBackups(context, opened, options);
  context.progress.clear();
  const document = () => ({ outcomes: outcomes.map(outcomeDocument) });
  const text = () => outcomes.flatMap((outcome) => outcomeLines(context, opened, outcome));
  const code = exitCodeOf(outcomes);
  // With -q a good run is silent; one that somebody should look at is not.
  if (code === 0) context.output.report(document, text);
  else context.output.answer(document, text);
  return code;
}

async function createBackups(
  context: CommandContext,
  opened: OpenedManager,
  options: CreateOptions,
): Promise<readonly SourceOutcome[]> {
  const type = options.type ?? opened.defaultType;
  const request = {
    ...operationOptions(context),
    ...(type === undefined ? {} : { type }),
    ...(options.level === undefined ? {} : { level: options.level }),
    tags: options.tag ?? [],
    integrityCheck: options.integrityCheck === true,
    rotate: options.rotate,
  };
  if (request.source === undefined && opened.sourceNames.length > 1) {
    return opened.manager.createAllBackups(request);
  }
  const result = await opened.manager.createBackup(request);
  return [{ source: result.backup.source, result }];
}

/** That of the first source that failed, else of the first backup that is not good. */
function exitCodeOf(outcomes: readonly SourceOutcome[]): ExitCode {
  const failed = outcomes.find((outcome) => "error" in outcome);
  if (failed !== undefined) return reportError(failed.error).exitCode;
  const codes = outcomes.map((outcome) => ("result" in outcome ? exitCodeOfResult(outcome.result) : 0));
  return codes.find((code) => code !== 0) ?? 0;
}

function exitCodeOfResult({
  backup,
  problems,
}: Extract<SourceOutcome, { result: unknown }>["result"]): ExitCode {
  const incomplete = problems.some((problem) => incompleteKinds.has(problem.kind));
  return incomplete ? exitCodeOfState("incomplete") : exitCodeOfState(backup.state);
}

function outcomeDocument(outcome: SourceOutcome): unknown {
  if ("error" in outcome) {
    const error = errorBody(reportError(outcome.error));
    return { source: outcome.source, backup: null, problems: [], rotation: null, warnings: [], error };
  }
  const { backup, problems, rotation = null, warnings } = outcome.result;
  const document = toSnakeCase({ source: outcome.source, backup, problems, rotation, warnings });
  return { ...document, error: null };
}

function outcomeLines(
  context: CommandContext,
  { vault }: OpenedManager,
  outcome: SourceOutcome,
): readonly string[] {
  const { palette } = context.output;
  if ("error" in outcome) {
    const report = reportError(outcome.error);
    return errorLines({ ...report, message: `${outcome.source}: ${report.message}` }, palette);
  }
  const shown = context.progress.shownWarnings;
  // What keeps rotation from its work is a warning of the run, and stands with the rotation: once is enough.
  const { rotation } = outcome.result;
  const warnings = outcome.result.warnings.filter(
    (warning) => !shown.has(warning) && rotation?.held.includes(warning) !== true,
  );
  const held = rotation?.held.filter((text) => context.options.quiet === true || !shown.has(text)) ?? [];
  const told = rotation === undefined ? {} : { rotation: { ...rotation, held } };
  const result = { ...outcome.result, ...told, warnings };
  return renderCreated(result, vault, context.options.verbose === true, palette);
}
