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

/** As lists show a character that is not plainly visible, or a byte that is not UTF-8: never a visible ASCII character. */
const shownEscape = /\\(?:x((?:[01]|[89a-f])[0-9a-f]|7f)|u\{([0-9a-f]{2,6})\}|.)/gisu;

/**
 * A pattern with what lists show as `\xNN` and `\u{NNNN}` replaced by the characters. Bytes that are not
 * UTF-8 become Latin-1, as such names are matched. Other uses of `\` are left as they are.
 */
export function unescapePattern(pattern: string): string {
  return pattern.replace(shownEscape, (whole, byte?: string, code?: string) => {
    const found = Number.parseInt(byte ?? code ?? "", 16);
    return isShownEscaped(found) ? String.fromCodePoint(found) : whole;
  });
}

/**
 * The names that a path may mean which was written as lists show it: its characters as they are, and with
 * escapes taken for characters, or for bytes.
 */
export function byteStringsFromShown(path: string): readonly ByteString[] {
  const literal = byteStringFromText(path);
  if (!path.includes("\\x") && !path.includes("\\u{")) return [literal];
  const unescaped = (asBytes: boolean): ByteString =>
    // Pairs of backslashes have no meaning in a path: each is looked at by itself.
    asByteString(
      path
        .split(/(?=\\)/)
        .map((piece) => pieceFromShown(piece, asBytes))
        .join(""),
    );
  return [...new Set([literal, unescaped(false), unescaped(true)])];
}

/** @param piece Has a backslash at most at its beginning */
function pieceFromShown(piece: string, asBytes: boolean): string {
  const [, byte, code, rest = piece] = /^\\(?:x([0-9a-f]{2})|u\{([0-9a-f]{2,6})\})(.*)$/is.exec(piece) ?? [];
  const found = Number.parseInt(byte ?? code ?? "", 16);
  if (!isShownEscaped(found)) return byteStringFromText(piece);
  const isByte = asBytes && byte !== undefined;
  const character = String.fromCodePoint(found);
  return `${isByte ? character : byteStringFromText(character)}${byteStringFromText(rest)}`;
}

/** False for NaN, too. */
function isShownEscaped(code: number): boolean {
  return (code >= 0 && code < 0x20) || (code >= 0x7f && code <= 0x10_ffff);
}

function hexEscape(character: string): string {
  return `\\x${character.charCodeAt(0).toString(16).padStart(2, "0")}`;
}
