/**
 * The recovery kit: one page, to be printed, with all that is needed to get the
 * backups back without this program, but for the password.
 *
 * @module
 */

import type { RecoveryFacts } from "../../operations/vault-requests.ts";
import { renderFacts } from "./facts.ts";
import { formatLocalTime } from "./moment.ts";
import { safeText, shellWord } from "./safe-text.ts";
import { shownId } from "./shown-id.ts";

/** What a command of the kit is for, and the command as it is typed. */
export interface KitCommand {
  readonly what: string;
  readonly command: string;
}

/** Keys beyond these are counted: the kit is one page. */
const otherKeysMax = 5;

/** Commands of restic for this repository. restic asks for the password, unless it finds it in its own variables. */
export function kitCommands({ vault, newest }: RecoveryFacts): readonly KitCommand[] {
  const restic = `restic -r ${shellWord(vault)}`;
  const restores = newest.map(({ source, type }) => ({
    what: `Restore the newest ${type} backup of ${safeText(source)} into the folder restored`,
    command: `${restic} restore latest --tag ${shellWord(`source:${source},type:${type}`)} --target restored`,
  }));
  const whole = { what: "Restore the newest backup", command: `${restic} restore latest --target restored` };
  return [
    { what: "See what there is", command: `${restic} snapshots` },
    { what: "Check every byte", command: `${restic} check --read-data` },
    ...(restores.length === 0 ? [whole] : restores),
  ];
}

/** The page as lines of plain text. */
export function renderRecoveryKit(facts: RecoveryFacts): string[] {
  const plain = (text: string): string => text;
  const { vault, host, repositoryId, madeAtMs, toolVersion, passwordPlace } = facts;
  const vaultFacts = renderFacts(
    [
      ["folder", safeText(vault)],
      ["machine", safeText(host)],
      ["format", "restic repository; restic 0.14 or newer reads it"],
      ["repository", safeText(repositoryId)],
      ["written", `${formatLocalTime(madeAtMs)} by vertex-backup ${safeText(toolVersion)}`],
    ],
    plain,
  );
  const passwordFacts = renderFacts(
    [
      ["kept", safeText(passwordPlace)],
      ["opens key", keyLines(facts, true)],
      ["other keys", keyLines(facts, false)],
      ["by hand", "____________________________________________________________"],
    ],
    plain,
  );
  return [
    "RECOVERY KIT",
    "",
    "This page and the password bring the backups back with restic, a free program",
    '(https://restic.net, "apt install restic"), also when vertex-backup and the',
    "machine that made them are gone. Without the password nobody can. Print it, write",
    "the password on it, and keep it away from that machine.",
    "",
    "The vault",
    ...vaultFacts,
    "",
    "The password",
    ...passwordFacts,
    "",
    "Without vertex-backup",
    "  restic asks for the password. If the folder is somewhere else now, write that",
    "  place behind -r.",
    ...kitCommands(facts).flatMap(({ what, command }) => ["", `  ${what}:`, `    ${command}`]),
    "",
    "  Files come back below restored/, at the paths they had. So do databases, as plain",
    "  SQLite files: stop the app, delete files that end in -wal, -shm or -journal",
    "  beside the database's old place, then copy it there.",
  ];
}

/** The same page for a browser to print. */
export function kitPage(lines: readonly string[]): string {
  const text = lines.join("\n").replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>Recovery kit</title>
<style>
@page { margin: 15mm }
pre { font: 10pt/1.35 monospace; white-space: pre-wrap; overflow-wrap: anywhere }
</style>
<pre>${text}</pre>
</html>
`;
}

function keyLines({ keys }: RecoveryFacts, current: boolean): readonly string[] {
  const lines = keys
    .filter((key) => key.current === current)
    .map(({ id, username, host, createdAt }) => {
      const who = `${safeText(username)}@${safeText(host)}`;
      return `${shownId(id)} of ${who}, made ${safeText(createdAt).slice(0, 10)}`;
    });
  const more = lines.length - otherKeysMax;
  return more > 0 ? [...lines.slice(0, otherKeysMax), `and ${more} more`] : lines;
}
