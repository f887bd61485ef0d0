/**
 * A tiny `tar.gz` of a huge file of zeros. Imported by tests only.
 *
 * @module
 */

import { gzipSync } from "node:zlib";
import { encodeTarHeader } from "../format/archive/tar-header.ts";

const mebibyte = 1 << 20;

/** One file `uploads/zeros` of so many mebibytes, in gzip members of one each that repeat: a thousandth of its size. */
export function zeroBomb(mebibytes: number): Buffer {
  const header = Buffer.alloc(512);
  const owner = { uid: 0, gid: 0, userName: "", groupName: "" };
  encodeTarHeader(
    {
      kind: "file",
      name: "uploads/zeros",
      mode: 0o644,
      mtimeNs: 0n,
      sizeBytes: mebibytes * mebibyte,
      ...owner,
    },
    header,
    0,
  );
  const member = gzipSync(Buffer.alloc(mebibyte));
  const end = gzipSync(Buffer.alloc(1024));
  return Buffer.concat([gzipSync(header), ...new Array<Buffer>(mebibytes).fill(member), end]);
}
