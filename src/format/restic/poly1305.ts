/**
 * Poly1305 (RFC 8439, section 2.5), which `node:crypto` offers only inside ciphers that this
 * format does not use. The arithmetic is compiled from `wasm/poly1305.ts`; one instance serves a
 * thread, since nothing here waits.
 *
 * @module
 */

import { poly1305Kernel } from "./generated/kernels.ts";
import { type KernelAddress, type KernelExports, startKernel } from "./kernel.ts";

interface Poly1305Exports extends KernelExports {
  readonly key: KernelAddress;
  readonly tag: KernelAddress;
  readonly data: KernelAddress;
  begin(): void;
  update(length: number): void;
  finish(length: number): void;
}

/** Bytes the kernel takes at once: see `data` in `wasm/poly1305.ts`. */
export const poly1305PieceBytes: number = 32_768;
const keyBytes = 32;
const tagBytes = 16;

const kernel = startKernel<Poly1305Exports>(poly1305Kernel);
const keyArea = new Uint8Array(kernel.memory.buffer, kernel.key.value, keyBytes);
const tagArea = new Uint8Array(kernel.memory.buffer, kernel.tag.value, tagBytes);
const dataArea = new Uint8Array(kernel.memory.buffer, kernel.data.value, poly1305PieceBytes);

/**
 * The tag, 16 bytes and overwritten by the next call, of a message under a one-time key of 32 bytes: `r`, which
 * is clamped, and `s`. The message comes in pieces of {@link poly1305PieceBytes}, only the last one shorter,
 * so that its maker can produce each while it is still in the processor's cache.
 */
export function poly1305(oneTimeKey: Uint8Array, pieces: Iterable<Uint8Array>): Uint8Array {
  keyArea.set(oneTimeKey);
  kernel.begin();
  let lastBytes = 0;
  for (const piece of pieces) {
    if (lastBytes > 0) kernel.update(lastBytes);
    dataArea.set(piece);
    lastBytes = piece.length;
  }
  kernel.finish(lastBytes);
  return tagArea;
}

/** The pieces of a message that lies there whole. */
export function* piecesOf(message: Uint8Array): Generator<Uint8Array> {
  for (let at = 0; at < message.length; at += poly1305PieceBytes) {
    yield message.subarray(at, at + poly1305PieceBytes);
  }
}
