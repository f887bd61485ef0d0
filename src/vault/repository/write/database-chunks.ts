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
  [gibibyte, 32 * kibibyte],
  [4 * gibibyte, 64 * kibibyte],
  [16 * gibibyte, 128 * kibibyte],
  [64 * gibibyte, 256 * kibibyte],
];
/** The reader of a file has a buffer for this. */
const chunkBytesMax = 512 * kibibyte;

/** A multiple of the page size, at most 512 KiB. */
export function databaseChunkBytes(pageSizeBytes: number, imageBytes: number): number {
  const chunkBytes = steps.find(([imageBytesMax]) => imageBytes <= imageBytesMax)?.[1] ?? chunkBytesMax;
  const page = pageSizeBytes > 0 ? Math.min(pageSizeBytes, chunkBytesMax) : chunkBytes;
  return Math.max(chunkBytes, page);
}
