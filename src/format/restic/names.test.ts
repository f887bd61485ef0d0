import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import type { ByteString } from "../../domain/byte-string.ts";
import { asByteString, byteStringFromText } from "../../domain/byte-string.ts";
import { fc } from "../../testing/properties.ts";
import { encodeName, isEntryName, unquoteName } from "./names.ts";
import { isPrintable } from "./printable.ts";

function readBack(json: string): ByteString | undefined {
  return unquoteName(byteStringFromText(JSON.parse(Buffer.from(json, "latin1").toString("utf8"))));
}

test("a name of any bytes reads back as itself", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 40 }), (bytes) => {
      const name = asByteString(Buffer.from(bytes).toString("latin1"));
      assert.equal(readBack(encodeName(name)), name);
    }),
  );
  fc.assert(
    fc.property(fc.string({ unit: "binary" }), (text) => {
      assert.equal(readBack(encodeName(byteStringFromText(text))), byteStringFromText(text));
    }),
  );
});

test("a name is quoted as Go's strconv.Quote does, then written as JSON", () => {
  assert.equal(encodeName(asByteString('d"q\\x')), '"d\\\\\\"q\\\\\\\\x"');
  assert.equal(encodeName(asByteString("bad\xff.txt")), '"bad\\\\xff.txt"');
  assert.equal(
    encodeName(byteStringFromText("é\u00ad\u{10ffff}<")),
    '"\xc3\xa9\\\\u00ad\\\\U0010ffff\\u003c"',
  );
});

// SHA-256 of one byte for each code point from 0, 1 where strconv.IsPrint of Go 1.26.8 says so.
test("printable are exactly the characters that Go prints", () => {
  const printable = new Uint8Array(0x110000);
  for (let point = 0; point < printable.length; point++) {
    const isSurrogate = point >= 0xd800 && point <= 0xdfff;
    printable[point] = !isSurrogate && isPrintable(String.fromCodePoint(point)) ? 1 : 0;
  }
  const hash = createHash("sha256").update(printable).digest("hex");
  assert.equal(hash, "a24a109bc8e347f9490466c59e4160d0dc9dd1006a5be9a4c91af71cd2e7fa99");
});

test("a quoted name with escapes that Go does not know is refused", () => {
  const wrong = ["\\", "\\q", "\\x4", "\\u12", "\\ud800", "\\U00110000", "\\400", "\\'", 'a"b', "a\nb"];
  for (const text of wrong) assert.equal(unquoteName(asByteString(text)), undefined, text);
  assert.equal(unquoteName(asByteString("\\101\\x42\\u0043\\U00000044\\a\\v")), "ABCD\x07\v");
});

test("a name that is no single component is no entry's name", () => {
  for (const name of ["", ".", "..", "/", "a/b", "a\0"]) assert.equal(isEntryName(asByteString(name)), false);
  for (const name of ["...", "a", " ", "\n", "\xff"]) assert.equal(isEntryName(asByteString(name)), true);
});
