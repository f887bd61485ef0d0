/**
 * Fails when a file of `src` imports what its layer may not (see `layers.ts`).
 * Tests and `testing/` are exempt. Ends by saying how much it looked at, and
 * fails if that is nothing.
 *
 * @module
 */

import { globSync, readFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { type ImportEdge, layerViolation } from "./layers.ts";

const importPattern = /(?:^|\n)\s*(?:import|export)\s[^"';]*?from\s+"([^"]+)"|import\(\s*"([^"]+)"\s*\)/g;

/** All imports of one source file, types included: a type is a dependency too. */
export function importsOf(file: string, text: string): ImportEdge[] {
  return Array.from(text.matchAll(importPattern), (match) => {
    const specifier = match[1] ?? match[2] ?? "";
    const to = specifier.startsWith(".") ? join(dirname(file), specifier) : specifier;
    return { from: file, to };
  });
}

function checkLayers(sourceDirectory: string): number {
  const files = globSync(`${sourceDirectory}/**/*.ts`)
    .map((file) => relative(sourceDirectory, file))
    .filter((file) => !file.endsWith(".test.ts") && !file.startsWith("testing/"));
  const edges = files.flatMap((file) => importsOf(file, readFileSync(join(sourceDirectory, file), "utf8")));
  const violations = edges.map(layerViolation).filter((violation) => violation !== undefined);
  for (const violation of violations) console.error(violation);
  console.log(`layers: ${files.length} files, ${edges.length} imports, ${violations.length} violations`);
  return violations.length > 0 || edges.length === 0 ? 1 : 0;
}

if (import.meta.main) process.exitCode = checkLayers("src");
