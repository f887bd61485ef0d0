/**
 * The write-ahead log: section 4 of https://www.sqlite.org/fileformat2.html.
 * Tells a log that holds something from one that is only lying there.
 *
 * @module
 */

/** Length of the header at the start of a log. */
export const walHeaderBytes: number = 32;
/** Length of the header before each page. */
export const walFrameHeaderBytes: number = 24;

const formatVersion = 3_007_000;

export interface WalHeader {
  readonly pageSizeBytes: number;
  readonly checkpointSequence: number;
  readonly salt1: number;
  readonly salt2: number;
}

type Checksum = readonly [number, number];

/** Tells whether a file starts like a write-ahead log. */
export function hasWalMagic(firstBytes: Uint8Array): boolean {
  return checksumIsLittleEndian(firstBytes) !== undefined;
}

/** Reads the header, or answers undefined where SQLite would not accept it (its checksum included). */
export function parseWalHeader(bytes: Uint8Array): WalHeader | undefined {
  const littleEndian = checksumIsLittleEndian(bytes);
  if (littleEndian === undefined || bytes.length < walHeaderBytes) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, walHeaderBytes);
  const sum = addToChecksum([0, 0], bytes.subarray(0, 24), littleEndian);
  const pageSizeBytes = view.getUint32(8);
  if (sum[0] !== view.getUint32(24) || sum[1] !== view.getUint32(28)) return undefined;
  if (view.getUint32(4) !== formatVersion || !isPageSize(pageSizeBytes)) return undefined;
  return {
    pageSizeBytes,
    checkpointSequence: view.getUint32(12),
    salt1: view.getUint32(16),
    salt2: view.getUint32(20),
  };
}

/**
 * Tells whether the log's first frame is one SQLite would read: salts of the
 * header, a page number, a matching checksum. If it is not, no later frame
 * counts either and the database file alone is what there is.
 *
 * @param bytes - The header and the whole first frame.
 */
export function firstFrameIsValid(bytes: Uint8Array): boolean {
  const header = parseWalHeader(bytes);
  if (header === undefined) return false;
  const end = walHeaderBytes + walFrameHeaderBytes + header.pageSizeBytes;
  if (bytes.length < end) return false;
  const view = new DataView(bytes.buffer, bytes.byteOffset, end);
  const frame = walHeaderBytes;
  if (view.getUint32(frame) === 0 || !hasSalts(bytes.subarray(frame), header)) return false;
  const littleEndian = checksumIsLittleEndian(bytes) === true;
  let sum: Checksum = [view.getUint32(24), view.getUint32(28)];
  sum = addToChecksum(sum, bytes.subarray(frame, frame + 8), littleEndian);
  sum = addToChecksum(sum, bytes.subarray(frame + walFrameHeaderBytes, end), littleEndian);
  return sum[0] === view.getUint32(frame + 16) && sum[1] === view.getUint32(frame + 20);
}

/**
 * How many bytes of a log belong to its current generation. A log is started
 * anew from its front, so what an earlier generation left lies behind, known by
 * its salts, and may be gigabytes.
 *
 * @param header - The header; the answer is only good while the file still has it.
 * @param fileBytes - Size of the file.
 * @param readFrameHeader - Reads {@link walFrameHeaderBytes} bytes at a position of the file.
 * @returns The end of the last frame with the header's salts; whether it is committed or whole is for SQLite to say.
 */
export function currentGenerationBytes(
  header: WalHeader,
  fileBytes: number,
  readFrameHeader: (position: number) => Uint8Array,
): number {
  const frameBytes = walFrameHeaderBytes + header.pageSizeBytes;
  // Frames before `known` are of this generation, those from `unknown` on are not: halve what is between.
  let known = 0;
  let unknown = Math.ceil(Math.max(0, fileBytes - walHeaderBytes) / frameBytes);
  while (known < unknown) {
    const middle = Math.floor((known + unknown) / 2);
    if (hasSalts(readFrameHeader(walHeaderBytes + middle * frameBytes), header)) known = middle + 1;
    else unknown = middle;
  }
  return walHeaderBytes + known * frameBytes;
}

/** What a log adds to its database file: the newest committed version of each page it holds. */
export interface CommittedPages {
  readonly pageSizeBytes: number;
  /** Pages the database has after the last commit. */
  readonly pageCount: number;
  /** By number, from 1: where a page's content begins in the log. */
  readonly places: ReadonlyMap<number, number>;
}

/**
 * Reads a log as SQLite recovers it (section 4.4): frames count up to the last commit
 * that is whole, which their running checksum tells.
 *
 * @param log - From its header on; what follows its current generation does no harm.
 * @returns Undefined where nothing is committed in it: the database file alone is what there is.
 */
export function committedPages(log: Uint8Array): CommittedPages | undefined {
  const header = parseWalHeader(log);
  if (header === undefined) return undefined;
  const { pageSizeBytes } = header;
  const view = new DataView(log.buffer, log.byteOffset, log.byteLength);
  const littleEndian = checksumIsLittleEndian(log) === true;
  const frameBytes = walFrameHeaderBytes + pageSizeBytes;
  let sum: Checksum = [view.getUint32(24), view.getUint32(28)];
  let [end, pageCount] = [walHeaderBytes, 0];
  for (let frame = walHeaderBytes; frame + frameBytes <= log.length; frame += frameBytes) {
    if (view.getUint32(frame) === 0 || !hasSalts(log.subarray(frame), header)) break;
    sum = addToChecksum(sum, log.subarray(frame, frame + 8), littleEndian);
    sum = addToChecksum(sum, log.subarray(frame + walFrameHeaderBytes, frame + frameBytes), littleEndian);
    if (sum[0] !== view.getUint32(frame + 16) || sum[1] !== view.getUint32(frame + 20)) break;
    const pagesAfter = view.getUint32(frame + 4);
    if (pagesAfter !== 0) [end, pageCount] = [frame + frameBytes, pagesAfter];
  }
  if (pageCount === 0) return undefined;
  const places = new Map<number, number>();
  for (let frame = walHeaderBytes; frame < end; frame += frameBytes) {
    places.set(view.getUint32(frame), frame + walFrameHeaderBytes);
  }
  return { pageSizeBytes, pageCount, places };
}

function hasSalts(frameHeader: Uint8Array, header: WalHeader): boolean {
  if (frameHeader.length < walFrameHeaderBytes) return false;
  const view = new DataView(frameHeader.buffer, frameHeader.byteOffset, walFrameHeaderBytes);
  return view.getUint32(8) === header.salt1 && view.getUint32(12) === header.salt2;
}

/** The last bit of the magic says in which byte order checksums are computed (section 4.1). */
function checksumIsLittleEndian(bytes: Uint8Array): boolean | undefined {
  if (bytes.length < 4) return undefined;
  const magic = new DataView(bytes.buffer, bytes.byteOffset, 4).getUint32(0);
  if (magic === 0x377f0682) return true;
  return magic === 0x377f0683 ? false : undefined;
}

/** Section 4.2. `bytes` has a length that is a multiple of 8. */
function addToChecksum(start: Checksum, bytes: Uint8Array, littleEndian: boolean): Checksum {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let [s0, s1] = start;
  for (let i = 0; i + 8 <= bytes.byteLength; i += 8) {
    s0 = (s0 + view.getUint32(i, littleEndian) + s1) >>> 0;
    s1 = (s1 + view.getUint32(i + 4, littleEndian) + s0) >>> 0;
  }
  return [s0, s1];
}

function isPageSize(size: number): boolean {
  return size >= 512 && size <= 65_536 && (size & (size - 1)) === 0;
}
