/**
 * Aligned columns. Knows the width of the terminal: what does not fit loses
 * whole columns marked as optional first, then the middle of long cells. Where
 * the width is not known (a pipe) nothing is cut.
 *
 * @module
 */

import type { Paint } from "./palette.ts";

export interface Cell {
  readonly text: string;
  readonly paint?: Paint;
}

export interface Column {
  readonly title: string;
  readonly align?: "left" | "right";
  /** Left out where the terminal is too narrow, the highest number first. */
  readonly optional?: number;
  /** May be cut in the middle down to this many characters. */
  readonly shrinkTo?: number;
}

const gap = "  ";
const wide = /[\p{Script=Han}\p{Script=Hangul}\p{Script=Hiragana}\p{Script=Katakana}\p{Emoji_Presentation}]/u;
const combining = /\p{M}/u;

/** Columns a text takes on a terminal: East Asian and emoji characters take two, combining marks none. */
export function displayWidth(text: string): number {
  if (/^[\x20-\x7e]*$/.test(text)) return text.length;
  let width = 0;
  for (const character of text) width += wide.test(character) ? 2 : combining.test(character) ? 0 : 1;
  return width;
}

/** Text of at most `width` columns; what is cut from the middle is shown as one "…". */
export function shorten(text: string, width: number): string {
  if (displayWidth(text) <= width) return text;
  if (width < 1) return "";
  const characters = Array.from(text);
  const tail = takeColumns(characters.toReversed(), Math.floor((width - 1) / 2)).toReversed();
  const head = takeColumns(characters, width - 1 - displayWidth(tail.join("")));
  return `${head.join("")}…${tail.join("")}`;
}

function takeColumns(characters: readonly string[], width: number): string[] {
  const taken: string[] = [];
  let used = 0;
  for (const character of characters) {
    used += displayWidth(character);
    if (used > width) break;
    taken.push(character);
  }
  return taken;
}

/** Lines of the table, title line first, without spaces at line ends. @param width Columns of the terminal, undefined for no limit */
export function renderTable(
  columns: readonly Column[],
  rows: readonly (readonly Cell[])[],
  width: number | undefined,
  paintTitle: Paint,
): string[] {
  const natural = columns.map((column, i) =>
    Math.max(displayWidth(column.title), ...rows.map((row) => displayWidth(row[i]!.text))),
  );
  const widths = width === undefined ? natural : fitWidths(columns, natural, width);
  const line = (cells: readonly Cell[]): string => {
    const parts = columns.flatMap((column, i) => {
      const columnWidth = widths[i];
      return columnWidth === undefined ? [] : [renderCell(cells[i]!, column, columnWidth)];
    });
    return parts.join(gap).trimEnd();
  };
  const titles = columns.map((column) => ({ text: column.title, paint: paintTitle }));
  return [line(titles), ...rows.map(line)];
}

/** The width of each column, undefined for those left out. */
function fitWidths(
  columns: readonly Column[],
  natural: readonly number[],
  limit: number,
): (number | undefined)[] {
  const widths: (number | undefined)[] = [...natural];
  const excess = (): number => {
    const shown = widths.filter((width) => width !== undefined);
    return shown.reduce((sum, width) => sum + width, 0) + gap.length * (shown.length - 1) - limit;
  };
  const optional = columns
    .map((column, index) => ({ index, rank: column.optional ?? 0 }))
    .filter(({ rank }) => rank > 0)
    .sort((a, b) => b.rank - a.rank);
  for (const { index } of optional) if (excess() > 0) widths[index] = undefined;
  for (const [index, column] of columns.entries()) {
    const current = widths[index];
    if (column.shrinkTo === undefined || current === undefined) continue;
    const cut = Math.max(0, excess());
    widths[index] = Math.max(Math.min(current, column.shrinkTo), current - cut);
  }
  return widths;
}

function renderCell(cell: Cell, column: Column, width: number): string {
  const text = shorten(cell.text, width);
  const padding = " ".repeat(width - displayWidth(text));
  const painted = cell.paint === undefined ? text : cell.paint(text);
  return column.align === "right" ? padding + painted : painted + padding;
}
