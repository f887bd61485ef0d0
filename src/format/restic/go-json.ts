/**
 * Strings as Go's `encoding/json` writes them (Go 1.22 and later), because the id of
 * a tree is the hash of its very bytes. Works on byte strings, so that the text of a
 * document is put together once and needs no further encoding.
 *
 * @module
 */

import type { ByteString } from "../../domain/byte-string.ts";
import { asByteString, byteStringFromText } from "../../domain/byte-string.ts";

/** A character of two to four bytes that is valid UTF-8, as pattern text over byte strings. */
export const multiByteCharacter: string = [
  "[\\xc2-\\xdf][\\x80-\\xbf]",
  "\\xe0[\\xa0-\\xbf][\\x80-\\xbf]",
  "[\\xe1-\\xec\\xee\\xef][\\x80-\\xbf]{2}",
  "\\xed[\\x80-\\x9f][\\x80-\\xbf]",
  "\\xf0[\\x90-\\xbf][\\x80-\\xbf]{2}",
  "[\\xf1-\\xf3][\\x80-\\xbf]{3}",
  "\\xf4[\\x80-\\x8f][\\x80-\\xbf]{2}",
].join("|");

const plain = /^[ !#-%'-;=?-[\]-\u007f]*$/;
const special = new RegExp(`${multiByteCharacter}|[^ !#-%'-;=?-[\\]-\\u007f]`, "g");

/** JSON text of a string that is UTF-8 bytes, with its quotes. Each byte that is not UTF-8 becomes U+FFFD, as in Go. */
export function goJsonString(text: ByteString): ByteString {
  return asByteString(plain.test(text) ? `"${text}"` : `"${text.replace(special, escapeSpecial)}"`);
}

/** JSON text of ordinary text, with its quotes. */
export function goJsonText(text: string): ByteString {
  return goJsonString(byteStringFromText(text));
}

/** JSON text of a list of ordinary texts. */
export function goJsonTexts(texts: readonly string[]): ByteString {
  return asByteString(`[${texts.map(goJsonText).join(",")}]`);
}

/** Fields of a document that are already JSON text, each with the comma before it. */
export function goJsonOthers(others: ReadonlyMap<string, string> | undefined): ByteString {
  if (others === undefined) return asByteString("");
  const fields = [...others].map(([name, json]) => `,${goJsonText(name)}:${byteStringFromText(json)}`);
  return asByteString(fields.join(""));
}

const shortEscapes: ReadonlyMap<string, string> = new Map([
  ['"', '\\"'],
  ["\\", "\\\\"],
  ["\b", "\\b"],
  ["\f", "\\f"],
  ["\n", "\\n"],
  ["\r", "\\r"],
  ["\t", "\\t"],
  // The line separators of Unicode, which JavaScript once took for line ends.
  ["\xe2\x80\xa8", "\\u2028"],
  ["\xe2\x80\xa9", "\\u2029"],
]);

function escapeSpecial(character: string): string {
  const short = shortEscapes.get(character);
  if (short !== undefined) return short;
  if (character.length > 1) return character;
  const code = character.charCodeAt(0);
  return code < 0x80 ? `\\u${code.toString(16).padStart(4, "0")}` : "\\ufffd";
}
