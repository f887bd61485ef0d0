/**
 * A database and what lies beside it under its name, which go and come together.
 *
 * @module
 */

import { asByteString, type ByteString } from "../domain/byte-string.ts";
import { sidecarSuffixes } from "../format/sqlite/sidecar.ts";

/** The database's path or name first, then those of all that SQLite keeps beside it. */
export function withSidecars(path: ByteString): readonly ByteString[] {
  return ["", ...sidecarSuffixes].map((suffix) => asByteString(path + suffix));
}
