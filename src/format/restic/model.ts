/**
 * What the documents of a restic repository say, as plain data. Field names are
 * ours where JSON's would mislead; the encoders beside this file hold the bytes.
 * Source: restic's `doc/design.rst`, format versions 1 and 2.
 *
 * @module
 */

import type { ByteString } from "../../domain/byte-string.ts";

/** Lower-case hex SHA-256: of the stored bytes for files, of the plain bytes for blobs. */
export type ObjectId = string;

export type BlobType = "data" | "tree";

/** The key that everything in a repository is encrypted and authenticated with. */
export interface MasterKey {
  /** AES-256, 32 bytes. */
  readonly encrypt: Uint8Array;
  /** Poly1305-AES: `k` and `r`, 16 bytes each. */
  readonly mac: { readonly k: Uint8Array; readonly r: Uint8Array };
}

/** The document `config`. */
export interface ConfigDocument {
  readonly version: 1 | 2;
  readonly id: ObjectId;
  /** Irreducible polynomial of degree 53 over GF(2), bit i being the coefficient of x^i. */
  readonly chunkerPolynomial: bigint;
}

/** A file of `keys/`, which is not encrypted: the master key under a password. */
export interface KeyDocument {
  /** RFC 3339, as written. */
  readonly created: string;
  readonly username: string;
  readonly hostname: string;
  readonly kdf: "scrypt";
  readonly N: number;
  readonly r: number;
  readonly p: number;
  /** 64 bytes. */
  readonly salt: Uint8Array;
  /** The master key's JSON in an envelope. */
  readonly data: Uint8Array;
}

export type NodeType = "file" | "dir" | "symlink" | "dev" | "chardev" | "fifo" | "socket" | "irregular";

/** One entry of a tree. Times are nanoseconds since 1970. */
export interface TreeNode {
  readonly name: ByteString;
  readonly type: NodeType;
  /** Unix permission bits with setuid, setgid and sticky: 0 to 0o7777. The type is in `type`. */
  readonly mode: number;
  readonly mtimeNs: bigint;
  readonly atimeNs: bigint;
  readonly ctimeNs: bigint;
  readonly uid: number;
  readonly gid: number;
  /** Empty where unknown. */
  readonly user: string;
  readonly group: string;
  /** 0 where absent. */
  readonly inode: bigint;
  readonly deviceId: bigint;
  readonly links: number;
  readonly sizeBytes: number;
  readonly linkTarget?: ByteString;
  /** Blobs of a file, in order; absent on everything else. */
  readonly content?: readonly ObjectId[];
  readonly subtree?: ObjectId;
  /**
   * What the node says that we do not: extended and generic attributes, `device`, `error` and
   * fields of later versions, as JSON text by name, so that a rewritten node loses nothing.
   */
  readonly others?: ReadonlyMap<string, string>;
}

export interface SnapshotSummary {
  readonly backupStart?: string;
  readonly backupEnd?: string;
  readonly filesNew: number;
  readonly filesChanged: number;
  readonly filesUnmodified: number;
  readonly dirsNew: number;
  readonly dirsChanged: number;
  readonly dirsUnmodified: number;
  readonly dataBlobs: number;
  readonly treeBlobs: number;
  readonly dataAddedBytes: number;
  readonly dataAddedPackedBytes: number;
  readonly totalFilesProcessed: number;
  readonly totalBytesProcessed: number;
  /** Fields of other programs, as JSON text by name. */
  readonly others?: ReadonlyMap<string, string>;
}

export interface SnapshotDocument {
  /** RFC 3339 with nanoseconds, as written. */
  readonly time: string;
  readonly timeMs: number;
  readonly parent?: ObjectId;
  readonly tree: ObjectId;
  readonly paths: readonly string[];
  readonly hostname: string;
  readonly username: string;
  readonly uid: number;
  readonly gid: number;
  readonly excludes: readonly string[];
  readonly tags: readonly string[];
  /** Id of the snapshot this one was rewritten from, if any. */
  readonly original?: ObjectId;
  readonly programVersion: string;
  readonly summary?: SnapshotSummary;
  /** Fields of others, and ours (`vertex_backup` and what begins like it), as JSON text by name. restic drops them when it rewrites. */
  readonly others?: ReadonlyMap<string, string>;
}

/** One blob inside a pack. */
export interface PackedBlob {
  readonly id: ObjectId;
  readonly type: BlobType;
  /** Of the envelope inside the pack, bytes. */
  readonly offset: number;
  /** Of the envelope: 32 more than what is inside it. */
  readonly length: number;
  /** Plain size of a compressed blob; undefined where it is stored as it is. */
  readonly uncompressedLength?: number;
}

/** A pack and all its blobs, as indexes list it. */
export interface IndexedPack {
  readonly id: ObjectId;
  readonly blobs: readonly PackedBlob[];
}

/** A file of `locks/`. */
export interface LockDocument {
  readonly time: string;
  readonly timeMs: number;
  readonly exclusive: boolean;
  readonly hostname: string;
  readonly username: string;
  readonly pid: number;
  readonly uid: number;
  readonly gid: number;
  /** What our own locks say besides, so that a dead owner can be proven; absent on restic's. */
  readonly owner?: { readonly bootId: string; readonly pidNamespace: string; readonly startedTicks: string };
}
