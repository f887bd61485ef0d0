/**
 * `unlock`: removes locks that runs left which are gone, and says whose the others are.
 *
 * @module
 */

import { toSnakeCase } from "../../contract/snake-case.ts";
import type { UnlockResult, VaultLock } from "../../operations/vault-requests.ts";
import { type CommandContext, type CommandModule, operationOptions } from "../command.ts";
import type { ExitCode } from "../exit-codes.ts";
import { formatMoment } from "../render/moment.ts";
import { safeText } from "../render/safe-text.ts";

/** The command as the registry lists it. */
export const unlockCommand: CommandModule = {
  examples: [
    {
      line: "vertex-backup unlock --vault repository --password-file password",
      text: "after a run was killed; locks of living runs stay",
    },
    {
      line: "vertex-backup unlock --all --vault repository --password-file password",
      text: "every lock, when you know that nothing runs",
    },
  ],
  define: (command, run) => {
    command
      .option("--all", "also locks of runs that may be alive: do this only if you know that none is")
      .action((options: { readonly all?: boolean }) =>
        run((context) => unlock(context, options.all === true)),
      );
  },
};

async function unlock(context: CommandContext, all: boolean): Promise<ExitCode> {
  const { manager } = await context.openManager();
  await using _closing = manager;
  const result = await manager.maintenance.unlock({ ...operationOptions(context), all });
  context.progress.clear();
  context.output.report(
    () => toSnakeCase(result),
    () => unlockLines(context, result),
  );
  return 0;
}

function unlockLines({ io, output }: CommandContext, { removed, remaining }: UnlockResult): string[] {
  if (removed.length + remaining.length === 0) return ["There are no locks."];
  const nowMs = io.clock.now();
  const { green, yellow } = output.palette;
  return [
    ...removed.map((lock) => green(`removed: ${lockText(lock, nowMs)}`)),
    ...remaining.map((lock) => yellow(`stays: ${lockText(lock, nowMs)}`)),
    ...(remaining.length === 0 ? [] : ["Wait until these runs have ended; --all removes their locks too."]),
  ];
}

function lockText({ username, host, pid, atMs, exclusive }: VaultLock, nowMs: number): string {
  const kind = exclusive ? "exclusive, " : "";
  return `${safeText(username)}@${safeText(host)}, process ${pid}, ${kind}since ${formatMoment(atMs, nowMs)}`;
}
