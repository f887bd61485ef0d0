/**
 * What a local storage keeps in its folder besides objects. Objects never have
 * these names, and listings never show them.
 *
 * @module
 */

import { BackupError } from "../domain/error.ts";
import { checkObjectName } from "./object-name.ts";

/** Where prepared files are made; on the vault's own file system, so that they are taken over without a copy. */
export const stagingDirectory = ".vertex/staging";

/** The folder of {@link noHardLinksName}. */
export const privateDirectory = ".vertex";

/** Says that the vault was written where files cannot have second names; see `local-commit.ts`. */
export const noHardLinksName: string = `${privateDirectory}/no-hard-links`;

/** Made by ext file systems at their root and readable by nobody else; a vault may be such a root. */
export const systemDirectory = "lost+found";

/** Tells whether `name`, valid or not, is the driver's own or the file system's. */
export function isReserved(name: string): boolean {
  if (name === noHardLinksName) return true;
  return [stagingDirectory, systemDirectory].some((kept) => name === kept || name.startsWith(`${kept}/`));
}

/** @throws {BackupError} `invalid-input` if `name` cannot name an object of a local storage */
export function checkLocalName(name: string): void {
  checkObjectName(name);
  if (isReserved(name)) {
    throw new BackupError("invalid-input", `Cannot use ${name}: the name is kept for the storage itself`);
  }
}
