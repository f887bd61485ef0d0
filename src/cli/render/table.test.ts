import assert from "node:assert/strict";
import { test } from "node:test";
import { stripVTControlCharacters } from "node:util";
import { fc } from "../../testing/properties.ts";
import { createPalette } from "./palette.ts";
import { type Column, displayWidth, renderTable, shorten } from "./table.ts";

const plain = (text: string): string => text;
const columns: Column[] = [
  { title: "NAME", shrinkTo: 6 },
  { title: "SIZE", align: "right" },
  { title: "NOTES", optional: 1 },
];
const rows = [
  [{ text: "a" }, { text: "1.0 KB" }, { text: "" }],
  [{ text: "a-rather-long-name" }, { text: "12 B" }, { text: "pinned" }],
];

test("renderTable() aligns columns, numbers to the right, without spaces at line ends", () => {
  assert.deepEqual(renderTable(columns, rows, undefined, plain), [
    "NAME                  SIZE  NOTES",
    "a                   1.0 KB",
    "a-rather-long-name    12 B  pinned",
  ]);
});

test("renderTable() on a narrow terminal drops optional columns, then cuts the middle of long cells", () => {
  assert.deepEqual(renderTable(columns, rows, 26, plain), [
    "NAME                  SIZE",
    "a                   1.0 KB",
    "a-rather-long-name    12 B",
  ]);
  assert.deepEqual(renderTable(columns, rows, 20, plain), [
    "NAME            SIZE",
    "a             1.0 KB",
    "a-rath…-name    12 B",
  ]);
});

test("renderTable() aligns coloured cells like plain ones", () => {
  const green = createPalette(true).green;
  const coloured = rows.map((row) => row.map((cell) => ({ ...cell, paint: green })));
  const stripped = renderTable(columns, coloured, undefined, green).map((line) =>
    stripVTControlCharacters(line).trimEnd(),
  );
  assert.deepEqual(stripped, renderTable(columns, rows, undefined, plain));
});

test("displayWidth() counts East Asian characters twice and combining marks not at all", () => {
  assert.equal(displayWidth("abc"), 3);
  assert.equal(displayWidth("世界"), 4);
  assert.equal(displayWidth("e\u0301"), 1);
});

test("shorten() never exceeds the width and keeps what fits as it is", () => {
  fc.assert(
    fc.property(fc.string({ unit: "grapheme" }), fc.nat(40), (text, width) => {
      const short = shorten(text, width);
      assert.ok(displayWidth(short) <= width);
      if (displayWidth(text) <= width) assert.equal(short, text);
    }),
  );
  assert.equal(shorten("abcdefghij", 5), "ab…ij");
});
