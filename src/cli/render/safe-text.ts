/**
 * Makes text of unknown origin fit for a terminal. File names, database
 * messages and metadata come from strangers: a control character in them could
 * move the cursor, recolour or rename the window, and a bidirectional override
 * could make one name look like another.
 *
 * @module
 */

// Cc control, Cf format (bidirectional overrides, zero width), Zl and Zp line separators, Cs lone surrogates.
const unsafe = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/gu;

/** The text on one line, with everything that is not plainly visible escaped as `\xNN` or `\u{NNNN}`. */
export function safeText(text: string): string {
  return text.replace(unsafe, (character) => {
    const code = character.codePointAt(0)!;
    const hex = code.toString(16);
    return code < 0x100 ? `\\x${hex.padStart(2, "0")}` : `\\u{${hex}}`;
  });
}

/** A JSON document whose strings are safe to print: the same value, escaped further than JSON requires. */
export function safeJson(value: unknown): string {
  return JSON.stringify(value, null, 2).replace(/[^\n\P{Cc}]|[\p{Cf}\p{Zl}\p{Zp}]/gu, (character) =>
    Array.from(
      { length: character.length },
      (_, i) => `\\u${character.charCodeAt(i).toString(16).padStart(4, "0")}`,
    ).join(""),
  );
}

/** One word of a POSIX shell command, quoted only where it must be. Escaped names are quoted so that they can be pasted. */
export function shellWord(text: string): string {
  if (/^[\w./:@%+=,-]+$/.test(text)) return text;
  if (text.search(unsafe) !== -1) {
    // $'...' of bash, zsh and ksh: the only form that carries control characters visibly.
    const escaped = text
      .replace(/[\\']/g, "\\$&")
      .replace(unsafe, (character) =>
        Array.from(Buffer.from(character, "utf8"), (byte) => `\\x${byte.toString(16).padStart(2, "0")}`).join(
          "",
        ),
      );
    return `$'${escaped}'`;
  }
  return `'${text.replaceAll("'", "'\\''")}'`;
}
