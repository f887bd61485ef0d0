import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { importsOf } from "./check-layers.ts";
import { layerRules, layerViolation } from "./layers.ts";

const check = (file: string, text: string) => importsOf(file, text).map(layerViolation);

test("check-layers catches a domain file that imports a built-in module", () => {
  const found = check("domain/bad.ts", 'import { readFile } from "node:fs/promises";\n');
  assert.deepEqual(found, ["domain/bad.ts: domain must not import node:fs/promises"]);
});

test("check-layers catches a vault that imports a concrete storage driver, also as a type or on demand", () => {
  const typed = check("vault/archive/bad.ts", 'import type { L } from "../../storage/local-storage.ts";\n');
  const lazy = check("vault/archive/bad.ts", 'const x = await import("../../storage/local-storage.ts");\n');
  assert.deepEqual(typed, ["vault/archive/bad.ts: vault must not import storage/local-storage.ts"]);
  assert.deepEqual(lazy, typed);
});

test("check-layers catches an import that goes over several lines and a package outside its layer", () => {
  const found = check("source/bad.ts", 'import {\n  a,\n  b,\n} from "zod";\n');
  assert.deepEqual(found, ["source/bad.ts: source must not import the package zod"]);
});

test("layers know no package that is not installed with the published program", () => {
  const text = readFileSync(new URL("../package.json", import.meta.url), "utf8");
  const { dependencies } = JSON.parse(text) as { dependencies: Record<string, string> };
  const allowed = Object.values(layerRules).flatMap(({ packages }) => packages ?? []);
  assert.deepEqual([...new Set(allowed)].sort(), Object.keys(dependencies).sort());
});

test("check-layers lets a vault use the storage interface and its own layer", () => {
  const text = 'import type { Storage } from "../../storage/storage.ts";\nimport { x } from "./x.ts";\n';
  assert.deepEqual(check("vault/archive/good.ts", text), [undefined, undefined]);
});
