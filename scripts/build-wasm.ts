/**
 * Compiles the AssemblyScript of `wasm/` and writes the bytes, as base64 text, into the module
 * `src/format/restic/generated/kernels.ts`: text in a module loads in workers, in `src` and in `dist` alike,
 * with no file to find. Run by `npm ci` (as `prepare`) and by `npm run build`.
 *
 * @module
 */

import { execFileSync } from "node:child_process";
import { mkdir, mkdtemp, readFile, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

const kernels = ["poly1305", "chunker"] as const;
const targetDirectory = "src/format/restic/generated";
// No allocator and no messages: the kernels own fixed areas and cannot fail.
const smallest = ["-O3", "--noAssert", "--runtime", "stub", "--use", "abort="];
const features = ["--enable", "simd", "--enable", "relaxed-simd"];

const scratch = await mkdtemp(join(tmpdir(), "build-wasm-"));
try {
  const lines = ["/** Compiled from `wasm/` by `scripts/build-wasm.ts`. @module */", ""];
  for (const kernel of kernels) {
    const binary = join(scratch, `${kernel}.wasm`);
    const options = [`wasm/${kernel}.ts`, "--outFile", binary, ...smallest, ...features];
    execFileSync("node_modules/.bin/asc", options, { stdio: "inherit" });
    const base64 = (await readFile(binary)).toString("base64");
    lines.push(`/** \`wasm/${kernel}.ts\`, compiled, as base64. */`);
    lines.push(`export const ${kernel}Kernel: string =\n  "${base64}";`, "");
  }
  await mkdir(targetDirectory, { recursive: true });
  // By way of another name: whoever reads it now sees the old module or the new one.
  await writeFile(`${targetDirectory}/kernels.ts.new`, lines.join("\n"));
  await rename(`${targetDirectory}/kernels.ts.new`, `${targetDirectory}/kernels.ts`);
} finally {
  await rm(scratch, { recursive: true, force: true });
}
