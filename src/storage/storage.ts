/**
 * Where a vault's bytes live: bytes by name. Every driver implements this
 * interface and passes `testing/storage-contract.ts`; every layer above knows
 * nothing else. It has no rename and no append, because object stores have
 * neither.
 *
 * Names are relative, components joined by "/", made of letters, digits and
 * `. _ - +`; a component never is `.` or `..` and never starts with `.tmp-`.
 *
 * @module
 */

/**
 * What can be stored. A stream's chunks may be reused by its producer after the
 * next one is asked for. A {@link PreparedFile} may be taken over by the driver.
 */
export type StorageContent = Uint8Array | AsyncIterable<Uint8Array> | PreparedFile;

/**
 * A complete file made in the driver's own `properties.stagingDirectory`. `put` takes it
 * over (no copy): after the call, whatever its outcome, the path must not be used again.
 */
export interface PreparedFile {
  readonly preparedFile: string;
}

export interface StoredObject {
  readonly name: string;
  readonly sizeBytes: number;
  /** When it was written, by the storage's clock. For display and for cleaning only; never for order. */
  readonly modifiedAtMs: number;
}

export interface ByteRange {
  /** First byte, counted from 0. */
  readonly offset: number;
  /** Bytes wanted, at least 1. Fewer come back only where the object ends; then the read fails as damaged. */
  readonly length: number;
}

/** Facts a driver states about itself, each with the question it answers. */
export interface StorageProperties {
  /** Is a second `put` of one name refused even when two machines race? */
  readonly putIfAbsent: boolean;
  /** Does `list` see every finished `put` at once? */
  readonly consistentList: boolean;
  /** Largest object, in bytes. */
  readonly objectSizeBytesMax: number;
  /** A private folder on this machine where a {@link PreparedFile} may be made and taken over without a copy. */
  readonly stagingDirectory?: string;
  /** Is every write refused (read-only medium or permission)? */
  readonly readOnly: boolean;
}

/** Folders named as the objects in them begin. */
export interface StorageFolders {
  has(name: string, signal: AbortSignal): Promise<boolean>;
  /** Names in a folder of what can be no object: links, folders, pipes. Empty where there is no such folder. */
  strangers(name: string, signal: AbortSignal): Promise<readonly string[]>;
  /** Names of the symbolic links in a folder and in those below it; nothing follows them, so what they lead to is in no list. */
  links(name: string, signal: AbortSignal): Promise<readonly string[]>;
  /** Durable on return; succeeds where it is there. `put` needs no folder to be made. */
  make(name: string, signal: AbortSignal): Promise<void>;
}

export interface Storage extends AsyncDisposable {
  /** For messages: a path or URL without secrets. */
  readonly location: string;
  readonly properties: StorageProperties;

  /**
   * Stores an object. On return it is durable and visible to `get` and `list`;
   * until then it is visible to nobody (I1). Never overwrites.
   *
   * @throws {BackupError} `exists` if the name is taken, which leaves the first
   *   object as it was; `no-space`; `storage-unavailable`. After a failure or an
   *   abort nothing under this name is visible, except that an answer may be lost
   *   after the object was stored in full.
   */
  put(name: string, content: StorageContent, signal: AbortSignal): Promise<void>;

  /**
   * Reads an object or a range of it, in chunks of at most 1 MiB. A chunk is the
   * caller's to keep.
   *
   * @throws {BackupError} `not-found`; `damaged` if it ends before the range does
   */
  get(name: string, range: ByteRange | undefined, signal: AbortSignal): AsyncIterable<Uint8Array>;

  /**
   * Where an object is, or would be, as a file of this machine: offered by drivers that have such files, for
   * threads that read by themselves. Anything may lie there: open regular files only, and follow no link;
   * where that fails, {@link get} says what is wrong.
   */
  localPath?(name: string): string;

  /** Offered by drivers that have folders: there, one that is missing is not the same as an empty one. */
  readonly folders?: StorageFolders;

  /** Size and time of an object, or undefined where there is none. */
  stat(name: string, signal: AbortSignal): Promise<StoredObject | undefined>;

  /** All objects whose name starts with `prefix`, in no promised order. Unfinished writes are never among them. */
  list(prefix: string, signal: AbortSignal): AsyncIterable<StoredObject>;

  /** Removes objects; those that are gone already count as removed. Durable on return. */
  remove(names: readonly string[], signal: AbortSignal): Promise<void>;

  /** Bytes free for new objects, or undefined where that cannot be known. */
  freeBytes(signal: AbortSignal): Promise<number | undefined>;

  /** Removes what interrupted writes left whose writer is provably gone (I8), and nothing else. Returns how many. */
  cleanUnfinished(signal: AbortSignal): Promise<number>;
}
