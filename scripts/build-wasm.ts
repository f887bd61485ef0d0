/**
 * Compiles the AssemblyScript of `wasm/` and writes the bytes, as base64 text, into modules
 * named `generated/kernels.ts` of the layers that use them: text in a module loads in workers, in `src` and in `dist` alike,
 * with no file to find. Run by `npm ci` and by `npm run build`. Of what `npm ci` runs in a checkout it is
 * `preprepare`: npm would run `prepare` also where the packed tarball is installed, which lacks this
 * script, and so it warns there of a package that has one.
 *
 * @module
 */

import { execFileSync } from "node:child_process";
import { mkdir, mkdtemp, readFile, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** Kernels by the folder of the layer that uses them. */
const kernels = {
  "src/format/restic/generated": ["poly1305", "chunker"],
  "src/encode/generated": ["deflate"],
};
// No allocator and no messages: the kernels own fixed areas and cannot fail.
const smallest = ["-O3", "--noAssert", "--runtime", "stub", "--use", "abort="];
const features = ["--enable", "simd", "--enable", "relaxed-simd"];

const scratch = await mkdtemp(join(tmpdir(), "build-wasm-"));
try {
  for (const [directory, names] of Object.entries(kernels)) {
    const lines = ["/** Compiled from `wasm/` by `scripts/build-wasm.ts`. @module */", ""];
    for (const name of names) lines.push(...(await compile(name)));
    await mkdir(directory, { recursive: true });
    // By way of another name: whoever reads it now sees the old module or the new one.
    await writeFile(`${directory}/kernels.ts.new`, lines.join("\n"));
    await rename(`${directory}/kernels.ts.new`, `${directory}/kernels.ts`);
  }
} finally {
  await rm(scratch, { recursive: true, force: true });
}

async function compile(kernel: string): Promise<string[]> {
  const binary = join(scratch, `${kernel}.wasm`);
  const options = [`wasm/${kernel}.ts`, "--outFile", binary, ...smallest, ...features];
  execFileSync("node_modules/.bin/asc", options, { stdio: "inherit" });
  const base64 = (await readFile(binary)).toString("base64");
  return [
    `/** \`wasm/${kernel}.ts\`, compiled, as base64. */`,
    `export const ${kernel}Kernel: string =\n  "${base64}";`,
    "",
  ];
}
