import assert from "node:assert/strict";
import { test } from "node:test";
import { asByteString } from "../../domain/byte-string.ts";
import { fc } from "../../testing/properties.ts";
import { goJsonOthers, goJsonString, goJsonText, goJsonTexts } from "./go-json.ts";

// Printed by Go 1.26: json.Marshal of the same string.
test("a string is escaped as Go's encoder does", () => {
  const bytes =
    'a\b\f\n\r\t\v\0\x1f\x7f<>&"\\/\xe2\x80\xa8\xe2\x80\xa9\xff\xed\xa0\x80\xc3\xa9\xf0\x9f\x98\x80';
  const expected =
    '"a\\b\\f\\n\\r\\t\\u000b\\u0000\\u001f\x7f\\u003c\\u003e\\u0026\\"\\\\/\\u2028\\u2029' +
    '\\ufffd\\ufffd\\ufffd\\ufffd\xc3\xa9\xf0\x9f\x98\x80"';
  assert.equal(goJsonString(asByteString(bytes)), expected);
});

test("a text reads back as itself", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary" }), (text) => {
      assert.equal(JSON.parse(Buffer.from(goJsonText(text), "latin1").toString("utf8")), text);
    }),
  );
});

test("texts and fields that are JSON already are joined without spaces", () => {
  assert.equal(goJsonTexts(["é", "<"]), '["\xc3\xa9","\\u003c"]');
  assert.equal(goJsonTexts([]), "[]");
  assert.equal(
    goJsonOthers(new Map([["a<", '{"x": 18446744073709551615}']])),
    ',"a\\u003c":{"x": 18446744073709551615}',
  );
  assert.equal(goJsonOthers(undefined), "");
});
