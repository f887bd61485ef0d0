/**
 * What goes into a tar or zip that is made of a backup, as it is read: plain data,
 * but for the bytes.
 *
 * @module
 */

import type { ByteString } from "./byte-string.ts";
import type { EntryKind } from "./entry.ts";

export const packFormats: readonly ["tar", "zip"] = ["tar", "zip"];
export type PackFormat = (typeof packFormats)[number];

/** One member. Its name leads nowhere but below the folder it is unpacked in. */
export interface PackedItem {
  readonly kind: EntryKind;
  /** Components joined by "/", no leading or trailing one. */
  readonly name: ByteString;
  /** Permission bits. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly mtimeNs: bigint;
  /** Bytes of `content`; 0 where there is none. */
  readonly sizeBytes: number;
  /** On symbolic links: the bytes of the target. */
  readonly linkTarget?: ByteString;
  /** On a further name of an earlier item: that item's name. Only given to formats that know hard links. */
  readonly hardLinkTo?: ByteString;
  /** Exactly `sizeBytes` of bytes, to be read before the next item is asked for. */
  readonly content?: AsyncIterable<Uint8Array>;
}
