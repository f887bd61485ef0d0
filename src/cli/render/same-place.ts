/**
 * Commands that the output offers for pasting: with the options that say which vault
 * and app were meant, without which they would work on another vault or none.
 *
 * @module
 */

import type { GlobalOptions } from "../command.ts";
import { shellWord } from "./safe-text.ts";

/** `vertex-backup WORDS` and those of the options given that a later command needs to mean the same. */
export function samePlace(words: string, options: GlobalOptions): string {
  const given: readonly (readonly [string, readonly string[]])[] = [
    ["--config", options.config === undefined ? [] : [options.config]],
    ["--vault", options.vault === undefined ? [] : [options.vault]],
    // Never the password command, which may have a secret in it.
    ["--password-file", options.passwordFile === undefined ? [] : [options.passwordFile]],
    ["--source", options.source === undefined ? [] : [options.source]],
    ["--database", options.database ?? []],
    ["--storage", options.storage ?? []],
  ];
  // Joined by `=`, because a value may begin with a dash.
  const flags = given.flatMap(([name, values]) =>
    values.map((value) => ` ${value.startsWith("-") ? `${name}=` : `${name} `}${shellWord(value)}`),
  );
  return `vertex-backup ${words}${flags.join("")}`;
}
