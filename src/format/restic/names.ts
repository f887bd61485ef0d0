/**
 * Names of nodes. restic quotes a name as a Go string literal first (`strconv.Quote`,
 * so that names which are not UTF-8 survive) and writes that as JSON; source: restic
 * `doc/design.rst`, "Trees and Data", and `internal/data/node.go`.
 *
 * @module
 */

import type { ByteString } from "../../domain/byte-string.ts";
import { asByteString, byteStringFromText, byteStringToUtf8 } from "../../domain/byte-string.ts";
import { multiByteCharacter } from "./go-json.ts";
import { isPrintable } from "./printable.ts";

const plain = /^[ !#-%'-;=?-[\]-~]*$/;
const special = new RegExp(`${multiByteCharacter}|[^ !#-%'-;=?-[\\]-~]`, "g");

/** JSON text of a node's name, with its quotes. */
export function encodeName(name: ByteString): ByteString {
  return asByteString(plain.test(name) ? `"${name}"` : `"${name.replace(special, escapeSpecial)}"`);
}

/** Both layers of escapes at once: each backslash of Go's quoting is doubled by JSON. */
const escapes: ReadonlyMap<string, string> = new Map([
  ['"', '\\\\\\"'],
  ["\\", "\\\\\\\\"],
  ["<", "\\u003c"],
  [">", "\\u003e"],
  ["&", "\\u0026"],
  ["\x07", "\\\\a"],
  ["\b", "\\\\b"],
  ["\f", "\\\\f"],
  ["\n", "\\\\n"],
  ["\r", "\\\\r"],
  ["\t", "\\\\t"],
  ["\v", "\\\\v"],
]);

function escapeSpecial(character: string): string {
  const short = escapes.get(character);
  if (short !== undefined) return short;
  if (character.length === 1) return `\\\\x${character.charCodeAt(0).toString(16).padStart(2, "0")}`;
  const text = byteStringToUtf8(asByteString(character)) ?? "";
  if (isPrintable(text)) return character;
  const hex = (text.codePointAt(0) ?? 0).toString(16);
  return hex.length <= 4 ? `\\\\u${hex.padStart(4, "0")}` : `\\\\U${hex.padStart(8, "0")}`;
}

const quoted =
  /\\(?:([abfnrtv\\"])|x([0-9a-fA-F]{2})|([0-3][0-7]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8}))|[\\"\n]/g;
const shortMeanings: Readonly<Record<string, string>> = {
  a: "\x07",
  b: "\b",
  f: "\f",
  n: "\n",
  r: "\r",
  t: "\t",
  v: "\v",
  "\\": "\\",
  '"': '"',
};

/** Undoes Go's quoting, after JSON's is undone; undefined where it is not well formed. */
export function unquoteName(text: ByteString): ByteString | undefined {
  let isWrong = false;
  const name = text.replace(quoted, (_, ...groups: (string | undefined)[]) => {
    const meaning = meaningOf(groups);
    if (meaning === undefined) isWrong = true;
    return meaning ?? "";
  });
  return isWrong ? undefined : asByteString(name);
}

function meaningOf([short, hex, octal, u4, u8]: readonly (string | undefined)[]): string | undefined {
  if (short !== undefined) return shortMeanings[short];
  if (hex !== undefined) return String.fromCharCode(Number.parseInt(hex, 16));
  if (octal !== undefined) return String.fromCharCode(Number.parseInt(octal, 8));
  const digits = u4 ?? u8;
  if (digits === undefined) return undefined;
  const point = Number.parseInt(digits, 16);
  const isCharacter = point <= 0x10ffff && (point < 0xd800 || point > 0xdfff);
  return isCharacter ? byteStringFromText(String.fromCodePoint(point)) : undefined;
}

/** Tells whether a directory can have an entry of this name: one component, and none that leads elsewhere. */
export function isEntryName(name: ByteString): boolean {
  return name !== "" && name !== "." && name !== ".." && !name.includes("/") && !name.includes("\0");
}
