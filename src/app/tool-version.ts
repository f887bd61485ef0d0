/**
 * The version of this program, as its package says.
 *
 * @module
 */

import { readFileSync } from "node:fs";

/** Read once at start; `package.json` lies two folders up both in `src` and in `dist`. */
export const toolVersion: string = (
  JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8")) as { version: string }
).version;
