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
const pieceBytes = 65_536;
const keyBytes = 32;
const tagBytes = 16;

const kernel = startKernel<Poly1305Exports>(poly1305Kernel);
const keyArea = new Uint8Array(kernel.memory.buffer, kernel.key.value, keyBytes);
const tagArea = new Uint8Array(kernel.memory.buffer, kernel.tag.value, tagBytes);
const dataArea = new Uint8Array(kernel.memory.buffer, kernel.data.value, pieceBytes);

/** The tag, 16 bytes, of `message` under a one-time key of 32 bytes: `r`, which is clamped, and `s`. */
export function poly1305(oneTimeKey: Uint8Array, message: Uint8Array): Buffer {
  keyArea.set(oneTimeKey);
  kernel.begin();
  let at = 0;
  for (; message.length - at > pieceBytes; at += pieceBytes) {
    dataArea.set(message.subarray(at, at + pieceBytes));
    kernel.update(pieceBytes);
  }
  dataArea.set(message.subarray(at));
  kernel.finish(message.length - at);
  return Buffer.from(tagArea);
}
