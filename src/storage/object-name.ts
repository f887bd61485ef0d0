/**
 * The names objects may have, checked in one place by every driver, so that a
 * name read from a damaged or hostile document never leads out of a storage.
 *
 * @module
 */

import { BackupError } from "../domain/error.ts";
import { unfinishedPrefix } from "../domain/run-owner.ts";

/** S3 allows 1,024 bytes for a key; no driver needs more. */
const nameCharactersMax = 1024;
/** What Linux file systems allow for one component. */
const componentCharactersMax = 255;

const allowedComponent = /^[A-Za-z0-9._+-]+$/;

/** Tells whether `name` may name an object, as described at `storage.ts`. */
export function isObjectName(name: string): boolean {
  return name.length <= nameCharactersMax && name.split("/").every(isComponent);
}

/** @throws {BackupError} `invalid-input` if `name` cannot name an object */
export function checkObjectName(name: string): void {
  if (!isObjectName(name)) throw invalid("object", name);
}

/** @throws {BackupError} `invalid-input` if no object's name can start with `prefix`; the empty prefix is all */
export function checkPrefix(prefix: string): void {
  const components = prefix.split("/");
  const last = components.pop() ?? "";
  // The last component may be cut anywhere, also as "." or "..": nothing is looked up under it.
  const partial = last === "" || (allowedComponent.test(last) && last.length <= componentCharactersMax);
  if (!partial || prefix.length > nameCharactersMax || !components.every(isComponent)) {
    throw invalid("prefix", prefix);
  }
}

function isComponent(component: string): boolean {
  return (
    allowedComponent.test(component) &&
    component.length <= componentCharactersMax &&
    component !== "." &&
    component !== ".." &&
    !component.startsWith(unfinishedPrefix)
  );
}

function invalid(what: string, name: string): BackupError {
  return new BackupError(
    "invalid-input",
    `Cannot use ${JSON.stringify(name)}: it is not a valid ${what} name`,
    {
      hint: "Use letters, digits and . _ - + in components joined by /, none of them . or ..",
    },
  );
}
