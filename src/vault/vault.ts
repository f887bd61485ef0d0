/**
 * The Vault interface: backups in a storage, whatever their format. Operations
 * are written once against it; `archive/` (and later `repository/`) implement it
 * and pass `testing/vault-contract.ts`.
 *
 * @module
 */

import type {
  Backup,
  BackupCounts,
  BackupDatabase,
  BackupOrigin,
  BackupType,
  Problem,
} from "../domain/backup.ts";
import type { Entry, EntryRoot, StoredEntry } from "../domain/entry.ts";
import type { Observer } from "../domain/progress.ts";
import type { ByteRange } from "../storage/storage.ts";
import type { Maintenance } from "./maintenance.ts";

/**
 * - `archive`: plain files, readable by hand
 * - `repository`: deduplicated and encrypted, in restic's format
 */
export type VaultFormat = "archive" | "repository";

export interface Vault extends AsyncDisposable {
  readonly format: VaultFormat;
  /** For messages: a path or URL without secrets. */
  readonly location: string;
  /** A private folder on the vault's own file system where captured images are best put, if there is one. */
  readonly stagingDirectory: string | undefined;
  readonly readOnly: boolean;
  readonly records: VaultRecords;
  /** Present on repositories. */
  readonly maintenance?: Maintenance;

  /**
   * Starts a backup. Holds a shared lock until `finish` or `abort`; several may run at once (I7).
   *
   * @throws {BackupError} `locked` if a removal holds the vault for longer than `lockWaitMs`
   */
  begin(options: BeginOptions, signal: AbortSignal): Promise<BackupWriter>;

  /**
   * Offered by repositories: keeps what another repository's {@link BackupReader.foreign} gives, as what it is
   * there: a backup of another program. Shared lock as `begin`; visible with its last step (I1).
   *
   * @throws {BackupError} `locked`; what reading the blobs throws
   */
  takeForeign?(snapshot: ForeignSnapshot, options: TakeOptions, signal: AbortSignal): Promise<Backup>;

  /** Every backup that can be listed, newest first by the time in its metadata (never by file time). */
  list(signal: AbortSignal): Promise<readonly Backup[]>;

  /**
   * A name for each backup that is there, and maybe for one that is being made: no more than a listing of files.
   * One that was not there before means that {@link list} may say something new; each backup that comes brings one.
   */
  listNames(signal: AbortSignal): Promise<ReadonlySet<string>>;

  /** Opens a backup for reading. @throws {BackupError} `not-found`, `damaged`, `unsupported` */
  open(id: string, signal: AbortSignal): Promise<BackupReader>;

  /** Reads a backup again and names everything that is wrong with it. Damage is a finding, not an error. */
  verify(id: string, options: VerifyOptions, signal: AbortSignal): Promise<VerifyReport>;

  /**
   * Offered by archive vaults: reads everything that lies beside the backups and names what is wrong with it.
   * Repositories do so in {@link Maintenance.check}.
   */
  checkBeside?(signal: AbortSignal): Promise<readonly Damage[]>;

  /** A quick look: a sentence on what the vault itself lacks, with what mends it; empty where it has all. */
  flaw(signal: AbortSignal): Promise<string>;

  /** Keeps backups from being removed by anybody until disposed. Succeeds without effect on a read-only vault. */
  hold(signal: AbortSignal): Promise<AsyncDisposable>;

  /**
   * Runs `work` while no other run creates or removes. Removal is planned inside, so
   * that the plan is made from what is there (I5, I7).
   *
   * @throws {BackupError} `locked` after waiting `lockWaitMs`
   */
  exclusively<T>(
    work: (remover: BackupRemover) => Promise<T>,
    options: LockOptions,
    signal: AbortSignal,
  ): Promise<T>;

  /** Removes what interrupted runs left, when their owners are provably gone (I8). */
  clean(signal: AbortSignal): Promise<CleanReport>;

  /** Bytes free for new backups, where that is known. */
  freeBytes(signal: AbortSignal): Promise<number | undefined>;
}

export interface LockOptions {
  /** How long to wait for others; 10 minutes unless told otherwise. */
  readonly lockWaitMs: number;
  readonly observer: Observer;
}

export interface TakeOptions extends LockOptions {
  /** The vault may have a backup already whose id is that of what is copied: a look tells. */
  readonly idMayBeTaken: boolean;
  /** Called when everything is stored, just before the backup becomes visible; where it throws nothing does. */
  readonly beforeVisible: (signal: AbortSignal) => Promise<void>;
}

export interface BeginOptions extends LockOptions {
  readonly type: BackupType;
  readonly source: string;
  readonly host: string;
  /** The instant the backup stands for, milliseconds since 1970. */
  readonly startedAtMs: number;
  readonly safety: boolean;
  readonly tags: readonly string[];
  readonly roots: readonly EntryRoot[];
  /** Id of the backup to settle unchanged files against, if any. Missing or unreadable: everything is read. */
  readonly parent: string | undefined;
  /** Compression level, 1 to 9; the format's default when undefined. */
  readonly level: number | undefined;
  /** Present on a copy of a backup of another vault; kept in the metadata. */
  readonly copiedFrom?: BackupOrigin;
}

/** A declared database, captured and checked, waiting in a file of its own. */
export interface DatabaseImage extends Omit<BackupDatabase, "sha256"> {
  /** The image; the vault takes the file over. If it lies in `stagingDirectory` it is not copied. */
  readonly imagePath: string;
}

/** Is told how far an image has come. */
export interface ExpectedImage {
  /**
   * So many bytes from its start will not change any more. If as many or fewer are told than before, the
   * image is made anew, in another file of this name.
   */
  steady(bytes: number): void;
  /** It is complete, and will not change any more. */
  complete(): void;
}

/** What the operation knows at the end. */
export interface BackupSummary {
  /**
   * Problems the operation saw itself; the writer adds those met while reading. Looked at when all
   * bytes are stored: the operation may have added to them by then.
   */
  readonly problems: readonly Problem[];
  readonly problemCount: number;
  /** Non-empty: the backup is suspect, and this sentence says why. Sees counts and bytes only known now. */
  readonly suspect: (counts: BackupCounts, sourceBytes: number) => string;
  /** Milliseconds since `startedAtMs`. Asked once, when all bytes are stored and only the metadata is not. */
  readonly durationMs: () => number;
}

export interface BackupWriter {
  /** Undefined where a name is made of what was stored: only `finish` knows it then. */
  readonly id: string | undefined;

  /**
   * Tells of an image that is about to be made, so that the vault may read it while it is made and
   * checked. It is handed over with `addDatabase`, or never.
   */
  expectDatabase?(imagePath: string, signal: AbortSignal): ExpectedImage;

  /** Stores a captured database. In a full backup all of them come before the first entry. */
  addDatabase(image: DatabaseImage, signal: AbortSignal): Promise<void>;

  /**
   * Tells for each entry whether its bytes will be taken from the parent without being
   * read. Call in order, each entry once, before `add`.
   */
  settle(entries: readonly Entry[], signal: AbortSignal): Promise<readonly boolean[]>;

  /**
   * Stores entries, in the order described at {@link Entry}. Returns when they are accepted, not when stored:
   * memory stays bounded because it waits while too much is in flight. A file that changes while
   * it is read is read once more; files that vanish, change again or cannot be read
   * are reported to the observer and counted. Streams among the entries were read to their end when it
   * returns, one that failed makes it reject: whoever gives one may have to give it before it can ask for more.
   */
  add(entries: readonly AddedEntry[], signal: AbortSignal): Promise<void>;

  /** Makes the backup visible as the very last step (I1), and returns it. */
  finish(summary: BackupSummary, signal: AbortSignal): Promise<Backup>;

  /** Ends the attempt; nothing of it can be seen afterwards. May be called at any time, more than once, also after `finish`, when it does nothing. */
  abort(): Promise<void>;
}

export interface AddedEntry {
  readonly entry: Entry;
  /** As `settle` answered for this entry. */
  readonly settled: boolean;
}

/** A backup that another program made, as it lies in a repository. */
export interface ForeignSnapshot {
  /** What a copy in another repository says of itself: the JSON text of its snapshot. */
  readonly document: string;
  /**
   * Every blob it needs, verified, each once, in no promised order. Bytes are valid until the next one is asked for.
   *
   * @param isWanted Those for which this answers false are left out, and not read
   * @throws {BackupError} `damaged`
   */
  blobs(
    isWanted: (blob: Pick<ForeignBlob, "id" | "type">) => boolean,
    signal: AbortSignal,
  ): AsyncIterable<ForeignBlob>;
}

export interface ForeignBlob {
  readonly id: string;
  readonly type: "data" | "tree";
  readonly bytes: Uint8Array;
}

/** Asked about each folder before what is in it. */
export type EntersFolder = (folder: Pick<StoredEntry, "root" | "path">) => boolean;

export interface BackupReader extends AsyncDisposable {
  readonly backup: Backup;

  /** Present on what another program made in a repository. */
  readonly foreign?: ForeignSnapshot;

  /** The image of a declared database. Its checksum is verified at the end of the stream. @throws {BackupError} `damaged`, `not-found` */
  readDatabase(name: string, signal: AbortSignal): AsyncIterable<Uint8Array>;

  /**
   * All entries in order, without their bytes.
   *
   * @param enters What lies in a folder for which this answers false may be left out, which spares a
   *   repository from reading it. A further name of a file whose first name is left out may then come as a file of its own.
   */
  entries(signal: AbortSignal, enters?: EntersFolder): AsyncIterable<StoredEntry>;

  /** Bytes of one file entry, or a range of them, without reading the rest of the backup. A whole read is verified at its end. */
  read(entry: StoredEntry, range: ByteRange | undefined, signal: AbortSignal): AsyncIterable<Uint8Array>;

  /**
   * The selected entries in order, each with its bytes: the fast way to restore much.
   * A file's `content` must be read to its end, or left alone, before the next entry is asked for;
   * it is verified as it comes and throws `damaged` at its end where it does not match.
   */
  contents(
    select: (entry: StoredEntry) => boolean,
    signal: AbortSignal,
    enters?: EntersFolder,
  ): AsyncIterable<EntryWithContent>;

  /**
   * As {@link contents}, for files that are written here: the vault's threads write the bytes themselves,
   * verified, into files that `sink` holds open. It has none of them open any more when this returns or throws.
   */
  writeContents?(select: (entry: StoredEntry) => boolean, sink: FileSink, signal: AbortSignal): Promise<void>;

  /**
   * What is gone of the stored files these parts are in, each as a clause; found by a look that reads
   * nothing. Of all files, or to give back a database, one of another size counts as well.
   */
  findLost?(parts: WantedParts, signal: AbortSignal): Promise<readonly string[]>;

  /** What is in the backup but is not given out, as far as reads have met it: devices and pipes that only restic stores. */
  leftOut?(): readonly Problem[];
}

/** Makes files for {@link BackupReader.writeContents}. */
export interface FileSink {
  /**
   * Makes an entry, in the order of entries.
   *
   * @returns for a file with bytes, also with none of them, the descriptor of an empty file
   */
  begin(entry: StoredEntry): number | undefined;
  /** All bytes are in the file: closes it. Holes are left where they are long runs of zeros. */
  complete(entry: StoredEntry, descriptor: number): void;
  /** Closes a file that stays incomplete. Nobody writes into it any more. */
  abandon(descriptor: number): void;
  /** What to throw where the file system took no bytes; it said `cause`. */
  unwritten(entry: StoredEntry, cause: Error): unknown;
}

export interface WantedParts {
  /** Names. */
  readonly databases: readonly string[];
  readonly files: "all" | "some" | "none";
}

export interface EntryWithContent {
  readonly entry: StoredEntry;
  /** Present on files that have bytes. Chunks are valid until the next one is asked for. */
  readonly content?: AsyncIterable<Uint8Array>;
}

export interface VerifyOptions {
  /**
   * - `stored`: sizes and checksums of everything stored
   * - `content`: also every entry's own hash, and every database opened (a copy) and checked
   */
  readonly depth: "stored" | "content";
  /** `storage`: only the folders; of databases nothing has to be there. Everything when left out. */
  readonly only?: "storage";
  readonly observer: Observer;
  /** Is told of all damage as it is found, also of what is too much for the report. */
  readonly onDamage?: (damage: Damage) => void;
  /** Opens a database image that lies in a private file and checks it; given by the operation, because a vault opens no databases. */
  readonly checkDatabase: (imagePath: string, signal: AbortSignal) => Promise<readonly string[]>;
  /** Private folder for copies. */
  readonly scratchDirectory: string;
}

/** One thing that is wrong, named as precisely as it is known. */
export interface Damage {
  /** Object in the vault, e.g. `storage/storage_backup_20240101_120000.tar.gz`. */
  readonly object: string;
  /** Path inside it, for display, where one entry is concerned. */
  readonly path?: string;
  readonly message: string;
}

export interface VerifyReport {
  readonly id: string;
  readonly ok: boolean;
  readonly damages: readonly Damage[];
  readonly bytesRead: number;
  readonly entriesChecked: number;
  readonly databasesChecked: number;
  /** True where there are no checksums to compare with, as for files of the Python original. */
  readonly unverified: boolean;
}

/** Removal, only inside {@link Vault.exclusively}. */
export interface BackupRemover {
  /** As `Vault.list`, seen while nobody else changes anything. */
  list(signal: AbortSignal): Promise<readonly Backup[]>;
  /** First the name, then the bytes (I3). A backup that is gone already counts as removed. @throws {BackupError} `unsupported` for foreign files */
  remove(ids: readonly string[], signal: AbortSignal): Promise<void>;
}

export interface CleanReport {
  readonly objectsRemoved: number;
  readonly locksBroken: number;
}

/**
 * - `pinned`: never rotated away
 * - `confirmed`: a suspect backup somebody looked at
 * - `verified` / `damaged`: what a verification found
 * - `failed`: a run that made no backup; belongs to no backup id
 */
export type RecordKind = "pinned" | "confirmed" | "verified" | "damaged" | "failed";

/** A small immutable fact beside a backup. It lives in the vault, because hosts and programs share it. */
export interface VaultRecord {
  readonly id: string;
  readonly kind: RecordKind;
  readonly backupId?: string;
  /** ISO time with offset. */
  readonly at: string;
  readonly host: string;
  readonly message: string;
}

/** What is left out is any. */
export interface RecordFilter {
  readonly backupId?: string;
  readonly kind?: RecordKind;
}

export interface VaultRecords {
  add(record: Omit<VaultRecord, "id">, signal: AbortSignal): Promise<void>;
  /** Oldest first; only those that are wanted are read. */
  list(signal: AbortSignal, wanted?: RecordFilter): Promise<readonly VaultRecord[]>;
  remove(records: readonly VaultRecord[], signal: AbortSignal): Promise<void>;
}
