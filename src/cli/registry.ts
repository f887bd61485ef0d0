/**
 * Every command with its one-line summary. Only the file of the command that is
 * used is loaded, so that `list` does not pay for `demo`. A test compares this
 * list with the folder `commands/`.
 *
 * @module
 */

import type { CommandModule } from "./command.ts";

export interface CommandEntry {
  readonly name: string;
  readonly summary: string;
  readonly load: () => Promise<CommandModule>;
}

/** In the order help shows them. */
export const commandRegistry: readonly CommandEntry[] = [
  {
    name: "demo",
    summary: "Try everything on a sample app: back up while it writes, restore, compare",
    load: async () => (await import("./commands/demo.ts")).demoCommand,
  },
  {
    name: "init",
    summary: "Make a vault: an encrypted repository, or plain archives",
    load: async () => (await import("./commands/init.ts")).initCommand,
  },
  {
    name: "create",
    summary: "Make a backup of a live database, a folder of files, or both",
    load: async () => (await import("./commands/create.ts")).createCommand,
  },
  {
    name: "list",
    summary: "List the backups, newest first",
    load: async () => (await import("./commands/list.ts")).listCommand,
  },
  {
    name: "show",
    summary: "Show one backup: files, databases, checks, problems, how to open it by hand",
    load: async () => (await import("./commands/show.ts")).showCommand,
  },
  {
    name: "ls",
    summary: "List what is in a backup, or in a folder of it",
    load: async () => (await import("./commands/ls.ts")).lsCommand,
  },
  {
    name: "find",
    summary: "Find files and databases by name, in all backups",
    load: async () => (await import("./commands/find.ts")).findCommand,
  },
  {
    name: "dump",
    summary: "Write out a file or a database of a backup, or a folder as tar or zip",
    load: async () => (await import("./commands/dump.ts")).dumpCommand,
  },
  {
    name: "compare",
    summary: "Show what differs between two backups",
    load: async () => (await import("./commands/compare.ts")).compareCommand,
  },
  {
    name: "stats",
    summary: "Count and add up the backups of each type",
    load: async () => (await import("./commands/stats.ts")).statsCommand,
  },
  {
    name: "verify",
    summary: "Read backups again and name everything that is wrong with them",
    load: async () => (await import("./commands/verify.ts")).verifyCommand,
  },
  {
    name: "restore",
    summary: "Put a backup back, into place or into another folder; or undo the last restore",
    load: async () => (await import("./commands/restore.ts")).restoreCommand,
  },
  {
    name: "rotate",
    summary: "Remove the backups that no rule keeps",
    load: async () => (await import("./commands/rotate.ts")).rotateCommand,
  },
  {
    name: "prune",
    summary: "Free the space of a repository that no backup needs",
    load: async () => (await import("./commands/prune.ts")).pruneCommand,
  },
  {
    name: "copy",
    summary: "Copy backups into another vault, of either format",
    load: async () => (await import("./commands/copy.ts")).copyCommand,
  },
  {
    name: "pin",
    summary: "Keep a backup from being rotated away",
    load: async () => (await import("./commands/pin.ts")).pinCommand,
  },
  {
    name: "unpin",
    summary: "Give a pinned backup back to rotation",
    load: async () => (await import("./commands/unpin.ts")).unpinCommand,
  },
  {
    name: "confirm",
    summary: "Say that a suspect backup is as it should be, so that rotation goes on",
    load: async () => (await import("./commands/confirm.ts")).confirmCommand,
  },
  {
    name: "key",
    summary: "List, add, remove and change the passwords of a repository",
    load: async () => (await import("./commands/key.ts")).keyCommand,
  },
  {
    name: "recovery-kit",
    summary: "Print the page that brings a repository's backups back without this program",
    load: async () => (await import("./commands/recovery-kit.ts")).recoveryKitCommand,
  },
  {
    name: "repair",
    summary: "Make a repository's index again, or its damaged backups restorable",
    load: async () => (await import("./commands/repair.ts")).repairCommand,
  },
  {
    name: "unlock",
    summary: "Remove the locks that killed runs left in a repository",
    load: async () => (await import("./commands/unlock.ts")).unlockCommand,
  },
  {
    name: "completion",
    summary: "Print the completion script for bash, zsh or fish",
    load: async () => (await import("./commands/completion.ts")).completionCommand,
  },
];
