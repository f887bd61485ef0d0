/**
 * Documents with parts that are made from the program: each such part stands
 * between `<!-- NAME -->` and `<!-- end -->`. A test makes it again and compares;
 * `node --test --test-update-snapshots FILE` writes it.
 *
 * @module
 */

/** The document with every block made anew. @param render Called with the block's name, returns its whole content */
export function refreshBlocks(document: string, render: (name: string) => string): string {
  return document.replace(
    /(<!-- ([a-z: -]+) -->\n)[\s\S]*?(<!-- end -->)/g,
    (_whole, start: string, name: string, end: string) => `${start}${render(name)}${end}`,
  );
}

/** Names of the blocks of a document, in order. */
export function blockNames(document: string): string[] {
  return Array.from(document.matchAll(/<!-- ([a-z: -]+) -->\n/g), (match) => match[1]!).filter(
    (name) => name !== "end",
  );
}
