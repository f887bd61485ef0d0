/**
 * From options to a manager: reads the configuration and applies what the command
 * line says on top of it. Loaded only by commands that touch a vault.
 *
 * @module
 */

import type { FolderConfiguration, ManagerConfiguration, SourceConfiguration } from "../app/configuration.ts";
import { currentDirectory } from "../app/current-directory.ts";
import type { PasswordPurpose } from "../app/open-vault.ts";
import { askForVault } from "./ask-password.ts";
import type { CommandContext, FolderOverrides, GlobalOptions, OpenedManager, OtherVault } from "./command.ts";

/** What is said of the vault, and of what kind it is to be where there is none. */
type OpenOptions = GlobalOptions & Pick<OtherVault, "format">;

/** @throws {BackupError} `invalid-input` or `not-found` for a configuration that cannot be used */
export async function openManager(
  options: OpenOptions,
  folders: FolderOverrides,
  { io, progress }: Pick<CommandContext, "io" | "progress">,
): Promise<OpenedManager> {
  const [{ loadConfiguration }, { createBackupManager }] = await Promise.all([
    import("../app/load-configuration.ts"),
    import("../app/create-backup-manager.ts"),
  ]);
  const loaded = await loadConfiguration(
    {
      ...(options.config === undefined ? {} : { config: options.config }),
      ...(options.vault === undefined ? {} : { vault: options.vault }),
      ...(options.passwordFile === undefined ? {} : { passwordFile: options.passwordFile }),
      ...(options.passwordCommand === undefined ? {} : { passwordCommand: options.passwordCommand }),
      databases: options.database ?? [],
      storage: options.storage ?? [],
    },
    io.env,
    currentDirectory(),
  );
  const isNamed = (options.database ?? []).length + (options.storage ?? []).length > 0;
  const named = isNamed ? options.source : undefined;
  const sources = (loaded.configuration.sources ?? []).map((source) =>
    adjustSource({ ...source, name: named ?? source.name }, folders),
  );
  const configuration: ManagerConfiguration = {
    ...loaded.configuration,
    sources,
    ...(options.format === undefined ? {} : { format: options.format }),
    ...(options.lockWait === undefined ? {} : { lockWaitMs: options.lockWait }),
  };
  const askPassword = async (purpose: PasswordPurpose): Promise<string> => {
    progress.clear();
    return await askForVault(io, configuration.vault, purpose);
  };
  return {
    manager: createBackupManager(configuration, {
      clock: io.clock,
      environment: io.env,
      // Where nobody can answer, the error says what to name instead.
      ...(io.stdin.isTTY === true ? { askPassword } : {}),
    }),
    vault: configuration.vault,
    format: configuration.format,
    sourceNames: sources.map((source) => source.name),
    defaultType: loaded.type,
  };
}

/** The options with another vault's place instead of the first one's; its password is the first one's where none is named. */
export function optionsOfOther(options: GlobalOptions, place: OtherVault): OpenOptions {
  const { passwordFile, passwordCommand, ...others } = options;
  const own = place.passwordFile !== undefined || place.passwordCommand !== undefined;
  const password = own ? place : { passwordFile, passwordCommand };
  return {
    ...others,
    vault: place.vault,
    format: place.format,
    ...(password.passwordFile === undefined ? {} : { passwordFile: password.passwordFile }),
    ...(password.passwordCommand === undefined ? {} : { passwordCommand: password.passwordCommand }),
  };
}

/** The source with the folder options of the command line added to each of its folders. */
function adjustSource(source: SourceConfiguration, folders: FolderOverrides): SourceConfiguration {
  const storage = (source.storage ?? []).map((given): FolderConfiguration => {
    const folder = typeof given === "string" ? { path: given } : given;
    return {
      ...folder,
      exclude: [...(folder.exclude ?? []), ...(folders.exclude ?? [])],
      ...(folders.oneFileSystem === true ? { oneFileSystem: true } : {}),
      ...(folders.excludeCaches === true ? { excludeCaches: true } : {}),
    };
  });
  return { ...source, storage };
}
