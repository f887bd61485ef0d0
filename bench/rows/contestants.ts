/**
 * The same work as command lines of three programs, over repositories of their own
 * with one password: ours, Debian's restic, and borg for comparison.
 *
 * @module
 */

import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { measure, measureShell } from "../measure.ts";
import type { BenchContext } from "./row.ts";

/** One program with one repository at `repository`, which does not exist yet. */
export interface Contestant {
  readonly repository: string;
  init(): Promise<void>;
  /** Command line that backs up a folder. */
  backup(folder: string): readonly string[];
  /** Command line that restores the latest backup below `target`. */
  restore(target: string): readonly string[];
  readonly env: Readonly<Record<string, string>>;
}

const password = "bench";

/** Ours; every file of its own lies in the scratch folder. */
export function ourRepository(context: BenchContext, repository: string): Contestant {
  const file = passwordFile(context);
  const vault = ["--vault", repository, "--password-file", file];
  const run = (...args: string[]): string[] => [...context.program, ...args, ...vault];
  return {
    repository,
    init: async () => {
      rmSync(repository, { recursive: true, force: true });
      rmSync(join(context.scratch, "state", "vaults"), { recursive: true, force: true });
      await measure(run("init", "--format", "repository", "--yes", "-q"));
    },
    backup: (folder) => run("create", "--type", "storage", "--storage", folder, "--no-rotate", "-q"),
    restore: (target) => run("restore", "latest", "--target", target, "--yes", "-q"),
    env: {},
  };
}

/** Debian's restic, with its cache switched off: the repository is as near as a cache would be. */
export function resticRepository(context: BenchContext, repository: string): Contestant {
  const env = { RESTIC_PASSWORD_FILE: passwordFile(context) };
  const run = (...args: string[]): string[] => ["restic", "--no-cache", "-q", "-r", repository, ...args];
  return {
    repository,
    init: async () => {
      rmSync(repository, { recursive: true, force: true });
      await measure(run("init", "--repository-version", "2"), { env });
    },
    backup: (folder) => run("backup", folder),
    restore: (target) => run("restore", "latest", "--target", target),
    env,
  };
}

/** borg with the compression that is nearest to restic's. */
export function borgRepository(context: BenchContext, repository: string): Contestant {
  const env = {
    BORG_PASSPHRASE: password,
    BORG_BASE_DIR: join(context.scratch, "borg-home"),
    BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK: "yes",
    BORG_RELOCATED_REPO_ACCESS_IS_OK: "yes",
  };
  return {
    repository,
    init: async () => {
      rmSync(repository, { recursive: true, force: true });
      rmSync(env.BORG_BASE_DIR, { recursive: true, force: true });
      await measure(["borg", "init", "--encryption", "repokey", repository], { env });
    },
    backup: (folder) => [
      "borg",
      "create",
      "--compression",
      "auto,zstd,3",
      `${repository}::{now:%s%f}`,
      folder,
    ],
    restore: (target) => [
      "sh",
      "-c",
      `cd ${target} && borg extract ${repository}::$(borg list --short --last 1 ${repository})`,
    ],
    env,
  };
}

/** Bytes a repository takes on its disk. */
export async function storedBytes({ repository }: Contestant): Promise<number> {
  const line = `find ${repository} -type f -printf '%s\\n' | awk '{ sum += $1 } END { print sum }'`;
  return Number((await measureShell(line)).stdout);
}

/** Runs one of a contestant's command lines and returns its seconds. */
export async function timed(contestant: Contestant, command: readonly string[]): Promise<number> {
  return (await measure(command, { env: contestant.env })).seconds;
}

function passwordFile(context: BenchContext): string {
  const file = join(context.scratch, "password");
  writeFileSync(file, password, { mode: 0o600 });
  return file;
}
