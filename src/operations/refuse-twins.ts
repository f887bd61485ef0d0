/**
 * Refuses a source that names one file or folder twice.
 *
 * @module
 */

import { type ByteString, byteStringToDisplay } from "../domain/byte-string.ts";
import { BackupError } from "../domain/error.ts";
import { realBytePath } from "../source/folder/walk-folder.ts";
import type { Source } from "./requests.ts";

/**
 * Under two names, of which one is a link or leads through one, it would be stored twice, each time
 * as of another moment; and a restore could put only one of the two back. Hard links may differ in
 * what lies beside them, and can be restored as a file each: they are not refused.
 *
 * @throws {BackupError} `invalid-input`
 */
export function refuseTwins({
  name,
  databases,
  folders,
}: Pick<Source, "name" | "databases" | "folders">): void {
  const places = [
    ...databases.map((database) => ({ ...database, kind: "file" })),
    ...folders.map((folder) => ({ ...folder, kind: "folder" })),
  ];
  const seen = new Map<ByteString, string>();
  for (const place of places) {
    const real = realBytePath(place.path);
    const other = seen.get(real);
    if (other !== undefined) {
      throw new BackupError(
        "invalid-input",
        `Cannot back up ${name}: ${other} and ${place.name} are one ${place.kind}, ${byteStringToDisplay(real)}`,
        { hint: "Name it once. A link that leads to it still does so after a restore." },
      );
    }
    seen.set(real, place.name);
  }
}
