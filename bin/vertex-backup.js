#!/usr/bin/env node
/**
 * What npm links as the command. In a package that is the compiled program; a checkout that was linked
 * (`npm link`, `npm install ../checkout`) has none, and runs from its sources. Readable to every Node
 * that knows modules, as `src/main.ts` is.
 *
 * @module
 */

import { existsSync } from "node:fs";

const sources = new URL("../src/main.ts", import.meta.url);
const program = existsSync(sources) ? sources : new URL("../dist/main.js", import.meta.url);

import(program.href).catch((error) => {
  const tooOld = error.code === "ERR_UNKNOWN_FILE_EXTENSION";
  const state = tooOld
    ? `Cannot run on Node.js ${process.versions.node}: wanted 24.12 or newer`
    : error.message;
  console.error(`error: ${state}`);
  process.exitCode = 1;
});
