/**
 * File names and paths as the file system has them: bytes, not text.
 *
 * A {@link ByteString} is a JavaScript string in which every character stands
 * for one byte (0 to 255). It compares and sorts with `<` in raw byte order,
 * costs no more than text for ASCII names, and loses nothing of a name that is
 * not UTF-8. `readdir(path, { encoding: "latin1" })` returns such strings.
 *
 * @module
 */

declare const brand: unique symbol;

/** A string whose characters are bytes. Made only by the functions of this module. */
export type ByteString = string & { readonly [brand]: "ByteString" };

const nonAscii = /[\u0080-\uffff]/;
const strictUtf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** Takes a string whose characters are bytes already, as `readdir` with latin1 returns. */
export function asByteString(latin1: string): ByteString {
  return latin1 as ByteString;
}

/** The UTF-8 bytes of `text`. */
export function byteStringFromText(text: string): ByteString {
  return (nonAscii.test(text) ? Buffer.from(text, "utf8").toString("latin1") : text) as ByteString;
}

/** The bytes themselves, to hand to the file system or a header. */
export function byteStringToBytes(name: ByteString): Buffer {
  return Buffer.from(name, "latin1");
}

/** What `node:fs` takes as a path: text where the bytes are ASCII, else a buffer. */
export function byteStringToPath(name: ByteString): string | Buffer {
  return nonAscii.test(name) ? Buffer.from(name, "latin1") : name;
}

/** The text these bytes encode, or undefined where they are not UTF-8. */
export function byteStringToUtf8(name: ByteString): string | undefined {
  if (!nonAscii.test(name)) return name;
  try {
    return strictUtf8.decode(Buffer.from(name, "latin1"));
  } catch {
    return undefined;
  }
}

/** Text for people: bytes that are not UTF-8 and control characters appear as `\xNN`. */
export function byteStringToDisplay(name: ByteString): string {
  const text = byteStringToUtf8(name) ?? name.replace(/[\u0080-\u00ff]/g, hexEscape);
  // Control characters could move the cursor of the terminal the name is shown on.
  return text.replace(/\p{Cc}/gu, hexEscape);
}

function hexEscape(character: string): string {
  return `\\x${character.charCodeAt(0).toString(16).padStart(2, "0")}`;
}
