/**
 * How images of databases are cut: at fixed places, on the borders of pages, because
 * SQLite changes pages where they lie and moves none. docs/decisions/0007 has the
 * measurements behind the sizes. Pure.
 *
 * @module
 */

const kibibyte = 1024;
const mebibyte = 1024 * kibibyte;
const gibibyte = 1024 * mebibyte;

/**
 * Larger images have larger chunks: a changed page costs a chunk, but every backup that changed anything
 * costs an id for each chunk, some 35 bytes compressed. Steps of four, so that a growing database seldom changes its size.
 */
const steps: readonly (readonly [imageBytesMax: number, chunkBytes: number])[] = [
  [2 * gibibyte, 24 * kibibyte],
  [8 * gibibyte, 64 * kibibyte],
  [32 * gibibyte, 128 * kibibyte],
  [128 * gibibyte, 256 * kibibyte],
];
/** The reader of a file has a buffer for this. */
const chunkBytesMax = 512 * kibibyte;
/** SQLite knows none above 64 KiB. */
const pageBytesMax = 64 * kibibyte;

/** Of an image's chunks, all but the last: a multiple of its page size, at most 512 KiB. */
export function databaseChunkBytes(pageSizeBytes: number, imageBytes: number): number {
  const chunkBytes = steps.find(([imageBytesMax]) => imageBytes <= imageBytesMax)?.[1] ?? chunkBytesMax;
  // A file without a header that makes sense is cut all the same.
  const isPageSize = Number.isInteger(pageSizeBytes) && pageSizeBytes >= 1 && pageSizeBytes <= pageBytesMax;
  const page = isPageSize ? pageSizeBytes : kibibyte;
  return Math.min(chunkBytesMax, Math.ceil(chunkBytes / page) * page);
}
