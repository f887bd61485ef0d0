/**
 * `demo`: shows on a sample app that the program does what it says, with nothing
 * but its public commands. Exit code 1 where anything is not as it should be.
 *
 * @module
 */

import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { formatBytes, formatCount, formatDuration, formatQuantity } from "../../domain/units.ts";
import type { CommandContext, CommandModule } from "../command.ts";
import type { FinishedStep } from "../demo/public-command.ts";
import type { ExitCode } from "../exit-codes.ts";

/** The command as the registry lists it. */
export const demoCommand: CommandModule = {
  examples: [
    { line: "vertex-backup demo", text: "takes some seconds, leaves nothing behind" },
    { line: "vertex-backup demo --keep", text: "leaves the sample app and its backups to look at" },
  ],
  define: (command, run) => {
    command
      .option("--keep", "leave the folder with the sample app and its backups")
      .action((options: { readonly keep?: boolean }) =>
        run((context) => demo(context, options.keep === true)),
      );
  },
};

/** Something that was checked at the end. */
interface Finding {
  readonly what: string;
  readonly ok: boolean;
  readonly detail: string;
}

async function demo(context: CommandContext, keep: boolean): Promise<ExitCode> {
  const startedMs = context.io.clock.elapsed();
  const folder = await mkdtemp(join(tmpdir(), "vertex-backup-demo-"));
  let kept = false;
  try {
    const print = (text: string): void => {
      if (!context.output.json && !context.output.quiet) context.io.stdout.write(text);
    };
    const steps: FinishedStep[] = [];
    const findings = await runDemo(context, folder, steps, print);
    const ok = findings.every((finding) => finding.ok);
    kept = keep;
    const durationMs = context.io.clock.elapsed() - startedMs;
    const document = () => ({
      ok,
      folder: keep ? folder : null,
      duration_ms: durationMs,
      steps: steps.map((step) => ({
        command: step.command,
        exit_code: step.exitCode,
        duration_ms: step.durationMs,
      })),
      findings,
    });
    const text = () => [
      ...findingLines(context, findings),
      ...farewell({ ok, durationMs, folder, keep }, context),
    ];
    if (ok) context.output.report(document, text);
    else context.output.answer(document, text);
    return ok ? 0 : 1;
  } finally {
    if (!kept) await rm(folder, { recursive: true, force: true });
  }
}

/** After the app has stopped; one that fails ends the demo. */
const laterSteps: readonly (readonly string[])[] = [
  ["list"],
  ["verify", "latest"],
  ["restore", "latest", "--target", "restored", "--yes"],
];

async function runDemo(
  context: CommandContext,
  folder: string,
  steps: FinishedStep[],
  print: (text: string) => void,
): Promise<Finding[]> {
  const { signal } = context;
  const [{ makeUploads, SampleWriter }, { runPublicCommand }] = await Promise.all([
    import("../demo/sample-app.ts"),
    import("../demo/public-command.ts"),
  ]);
  const options = { directory: folder, env: demoEnvironment(context, folder), signal, print };
  const step = async (...args: string[]): Promise<void> => {
    steps.push(await runPublicCommand(args, options));
  };
  const made = await makeUploads(join(folder, "uploads"), signal);
  print(`A sample app in ${folder}:\n`);
  print(`  uploads  ${formatQuantity(made.files, "file")}, ${formatBytes(made.bytes)}\n`);
  print("  app.db   a WAL database; another process commits payments to it all the time\n");
  const payments = { before: 0, after: 0 };
  {
    await using writer = await SampleWriter.start(join(folder, "app.db"), signal);
    payments.before = await writer.payments(signal);
    await step("create", "--database", "app.db", "--storage", "uploads");
    payments.after = await writer.payments(signal);
  }
  for (const args of laterSteps) if (steps.every((done) => done.exitCode === 0)) await step(...args);
  return await inspect(folder, steps, payments, signal);
}

/** The commands see this folder only: no configuration, state or settings of the user. */
function demoEnvironment(context: CommandContext, folder: string): NodeJS.ProcessEnv {
  const own = ["VERTEX_BACKUP_CONFIG", "BACKUP_DIR", "BACKUP_TYPE", "MAX_BACKUPS"];
  const inherited = Object.entries(context.io.env).filter(([name]) => !own.includes(name));
  return {
    ...Object.fromEntries(inherited),
    VERTEX_BACKUP_STATE: join(folder, "state"),
    // The commands write into a pipe but what they print goes to this terminal.
    ...(context.output.palette.green("") === "" ? { NO_COLOR: "1" } : { FORCE_COLOR: "1" }),
  };
}

async function inspect(
  folder: string,
  steps: readonly FinishedStep[],
  payments: { readonly before: number; readonly after: number },
  signal: AbortSignal,
): Promise<Finding[]> {
  const [{ compareTrees }, { checkBank }] = await Promise.all([
    import("../demo/compare-trees.ts"),
    import("../demo/bank.ts"),
  ]);
  const failed = steps.filter((step) => step.exitCode !== 0);
  const commands: Finding = {
    what: "every command succeeded",
    ok: failed.length === 0,
    detail:
      failed.map((step) => `${step.command}: exit code ${step.exitCode}`).join("; ") ||
      steps.map((step) => formatDuration(step.durationMs)).join(" + "),
  };
  if (!commands.ok) return [commands];
  const files = await compareTrees(join(folder, "uploads"), join(folder, "restored", "uploads"), signal);
  const bank = checkBank(join(folder, "restored", "app.db"));
  const counted = `${formatQuantity(files.files, "file")}, ${formatBytes(files.bytes)}`;
  const { before, after } = payments;
  const [first, last, saved] = [before, after, bank.payments].map(formatCount);
  return [
    commands,
    {
      what: "every restored file is the same, byte by byte",
      ok: files.differences.length === 0 && files.files > 0,
      detail: files.differences.slice(0, 5).join("; ") || counted,
    },
    {
      what: "the restored database obeys its own laws",
      ok: bank.broken.length === 0,
      detail: bank.broken.join("; ") || "no money made or lost, no payment missing, no damage",
    },
    {
      what: "the app kept writing during the backup, which is of one moment in between",
      ok: after > before && bank.payments >= before && bank.payments <= after,
      detail: `${first} payments before, ${last} after, ${saved} in the backup`,
    },
  ];
}

function findingLines({ output }: CommandContext, findings: readonly Finding[]): string[] {
  return [
    "",
    ...findings.flatMap(({ what, ok, detail }) => [
      ok ? output.palette.green(`ok      ${what}`) : output.palette.red(`FAILED  ${what}`),
      `        ${detail}`,
    ]),
  ];
}

interface Ending {
  readonly ok: boolean;
  readonly durationMs: number;
  readonly folder: string;
  readonly keep: boolean;
}

function farewell({ ok, durationMs, folder, keep }: Ending, { output }: CommandContext): string[] {
  const verdict = ok ? "All of it worked" : "Something is wrong";
  return [
    "",
    output.palette.bold(`${verdict}, in ${formatDuration(durationMs)}.`),
    keep
      ? `Everything is left in ${folder}`
      : "The sample app and its backups are removed; --keep leaves them.",
    ...(ok
      ? ["", "Now with your own app:", "  vertex-backup create --database app.db --storage uploads"]
      : []),
    ...(ok ? ["  vertex-backup restore latest --target restored"] : []),
  ];
}
