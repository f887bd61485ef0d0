#!/usr/bin/env node
/**
 * The program's entry. Checks the runtime before anything else is loaded, so it
 * must stay readable to every Node that knows modules: no syntax newer than 2017
 * here, and everything else behind a dynamic import.
 *
 * @module
 */

const wanted: readonly number[] = [24, 12];
const found = process.versions.node.split(".").map(Number);
const isTooOld = found[0]! < wanted[0]! || (found[0]! === wanted[0]! && found[1]! < wanted[1]!);

if (isTooOld) {
  console.error(`error: Cannot run on Node.js ${process.versions.node}: wanted ${wanted.join(".")} or newer`);
  console.error(
    "  Install a newer Node.js from https://nodejs.org, or start ./vertex-backup of a checkout, which brings its own.",
  );
  process.exitCode = 1;
} else {
  import("./cli/prepare-runtime.ts")
    .then((runtime) => {
      runtime.prepareRuntime();
      return import("./cli/start.ts");
    })
    .then((cli) => cli.start())
    .catch((error: unknown) => {
      if (isMissingPart(error)) {
        console.error(`error: Cannot run: a part of the program is missing: ${error.message}`);
        console.error("  In a checkout run npm ci; elsewhere install the package again.");
      } else console.error(error);
      process.exitCode = 1;
    });
}

/** No library was installed, above all: `start.ts` reports what it misses itself once it is there. */
function isMissingPart(error: unknown): error is Error {
  return error instanceof Error && (error as NodeJS.ErrnoException).code === "ERR_MODULE_NOT_FOUND";
}
