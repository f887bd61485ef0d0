import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { commandRegistry } from "../cli/registry.ts";
import { namedShapes, shapeTable } from "../testing/json-shapes.ts";
import { blockNames, refreshBlocks } from "../testing/refresh-blocks.ts";
import { sampleBackup } from "../testing/sample-backup.ts";
import { backupSchema } from "./backup.ts";
import { errorSchema } from "./error.ts";
import { type ResultName, resultSchemas } from "./results.ts";
import { toSnakeCase } from "./snake-case.ts";

const documentPath = join(import.meta.dirname, "../../docs/json.md");

test("every command has a schema of what it prints with --json", () => {
  assert.deepEqual(Object.keys(resultSchemas).sort(), commandRegistry.map((entry) => entry.name).sort());
});

test("docs/json.md shows every schema field by field", (context) => {
  const document = readFileSync(documentPath, "utf8");
  const shapes = ["error", ...commandRegistry.map((entry) => entry.name)];
  const wanted = new Set(shapes.map((name) => `shape: ${name}`).concat("parts"));
  assert.deepEqual(new Set(blockNames(document)), wanted);
  const refreshed = refreshBlocks(document, (name) => {
    if (name === "parts") return partsText();
    const shape = name.replace("shape: ", "");
    return shapeTable(shape === "error" ? errorSchema : resultSchemas[shape as ResultName]);
  });
  context.assert.fileSnapshot(refreshed, documentPath, { serializers: [(value) => value as string] });
});

function partsText(): string {
  const parts = namedShapes(Object.values(resultSchemas));
  return Array.from(parts, ([name, table]) => `## ${name}\n\n${table}\n`).join("");
}

test("a backup in snake_case fits its schema without a field too many or too few", () => {
  const document = toSnakeCase(
    sampleBackup({
      verifiedAt: "2024-01-02T00:00:00.000Z",
      problems: [{ kind: "vanished", path: "a", message: "b" }],
    }),
  );
  assert.deepEqual(backupSchema.parse(document), document);
  const { started_at, ...lacking } = document;
  assert.equal(typeof started_at, "string");
  assert.throws(() => backupSchema.parse(lacking));
  const surplus = { ...document, secret: 1 };
  assert.notDeepEqual(backupSchema.parse(surplus), surplus);
});

test("toSnakeCase() converts names at every depth, leaves values alone and drops what is undefined", () => {
  assert.deepEqual(
    toSnakeCase({ sizeBytes: 1, listOf: [{ pageSizeBytes: "aB" }], sha256: null, gone: undefined }),
    { size_bytes: 1, list_of: [{ page_size_bytes: "aB" }], sha256: null },
  );
});
