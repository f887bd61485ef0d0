/**
 * Starts a compiled AssemblyScript kernel (see `scripts/build-wasm.ts`).
 *
 * @module
 */

/** What every kernel exports: its memory, and by name the addresses of areas in it. */
export interface KernelExports {
  readonly memory: { readonly buffer: ArrayBuffer; grow(pages: number): number };
}

/** An address inside a kernel's memory, as the host sees it. */
export interface KernelAddress {
  readonly value: number;
}

/** The part of the global `WebAssembly` that is used: TypeScript declares it only for browsers. */
declare const WebAssembly: {
  readonly Module: new (bytes: Uint8Array) => object;
  readonly Instance: new (module: object) => { readonly exports: unknown };
};

/** A new instance with memory of its own. What it exports is what the caller's type says of its source. */
export function startKernel<Exports extends KernelExports>(base64: string): Exports {
  const module = new WebAssembly.Module(Buffer.from(base64, "base64"));
  return new WebAssembly.Instance(module).exports as Exports;
}
