/**
 * Whether the inner side of `node:zlib` is the one that this was tested with.
 *
 * @module
 */

/** Major versions of Node. Others would abort on a wrong argument, which nothing can catch. */
const knownVersions: ReadonlySet<string> = new Set(["24"]);

/** @param version As `process.versions.node` */
export function isKnownNode(version: string = process.versions.node): boolean {
  const [major = ""] = version.split(".");
  return knownVersions.has(major);
}
