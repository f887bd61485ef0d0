/**
 * Which of several places a password is taken from: options win over our variables,
 * which win over the configuration file, which wins over restic's variables. Those
 * come last because they may be meant for another repository.
 *
 * @module
 */

import { resolve } from "node:path";
import { BackupError } from "../domain/error.ts";
import { fromHome } from "./home-directory.ts";
import type { PasswordSource } from "./password.ts";
import type { Environment } from "./state-directory.ts";

/** A file or a command, as options and the configuration file name them. */
export interface GivenPassword {
  readonly passwordFile?: string;
  readonly passwordCommand?: string;
}

/**
 * The source to use; undefined where none is named.
 *
 * @param given By options; a relative path is meant from `currentDirectory`
 * @param configured By the configuration file, paths absolute
 * @throws {BackupError} `invalid-input` where one place names a file and a command
 */
export function choosePassword(
  given: GivenPassword,
  environment: Environment,
  configured: GivenPassword,
  currentDirectory: string,
): PasswordSource | undefined {
  return (
    fileOrCommand(given, "--password-file and --password-command", currentDirectory) ??
    fromVariables("VERTEX_BACKUP_PASSWORD", environment, currentDirectory) ??
    fileOrCommand(configured, "password_file and password_command", currentDirectory) ??
    fromVariables("RESTIC_PASSWORD", environment, currentDirectory)
  );
}

/** An empty variable is one that is not set. */
function fromVariables(
  name: string,
  environment: Environment,
  currentDirectory: string,
): PasswordSource | undefined {
  const [file, command] = [`${name}_FILE`, `${name}_COMMAND`];
  const given: GivenPassword = {
    ...(environment[file] ? { passwordFile: environment[file] } : {}),
    ...(environment[command] ? { passwordCommand: environment[command] } : {}),
  };
  const source = fileOrCommand(given, `${file} and ${command}`, currentDirectory);
  return source ?? (environment[name] ? { variable: name } : undefined);
}

function fileOrCommand(
  { passwordFile, passwordCommand }: GivenPassword,
  both: string,
  currentDirectory: string,
): PasswordSource | undefined {
  if (passwordFile !== undefined && passwordCommand !== undefined) {
    throw new BackupError("invalid-input", `Cannot use ${both}: the password is in one of them`, {
      hint: "Leave out one of the two.",
    });
  }
  if (passwordFile !== undefined) return { file: resolve(currentDirectory, fromHome(passwordFile)) };
  return passwordCommand === undefined ? undefined : { command: passwordCommand };
}
