/**
 * Colours for people, and nothing where the output is read by something else.
 *
 * @module
 */

import { styleText } from "node:util";

export type Paint = (text: string) => string;

/** Green is good, yellow wants a look, red is an error; bold and dim only order what is read. */
export interface Palette {
  readonly green: Paint;
  readonly yellow: Paint;
  readonly red: Paint;
  readonly bold: Paint;
  readonly dim: Paint;
}

/** Facts that decide whether to colour. */
export interface ColourFacts {
  readonly isTerminal: boolean;
  /** `--no-color` was given. */
  readonly switchedOff: boolean;
  readonly env: Readonly<Record<string, string | undefined>>;
}

/** Tells whether to colour: never with NO_COLOR (no-color.org) or `--no-color`, else on terminals or with FORCE_COLOR. */
export function wantsColour(facts: ColourFacts): boolean {
  if (facts.switchedOff || (facts.env["NO_COLOR"] ?? "") !== "") return false;
  const forced = facts.env["FORCE_COLOR"] ?? "";
  if (forced !== "") return forced !== "0";
  return facts.isTerminal && facts.env["TERM"] !== "dumb";
}

/** The palette of a terminal, or one that leaves text as it is. */
export function createPalette(colour: boolean): Palette {
  const paint = (style: "green" | "yellow" | "red" | "bold" | "dim"): Paint =>
    colour ? (text) => styleText(style, text, { validateStream: false }) : (text) => text;
  return {
    green: paint("green"),
    yellow: paint("yellow"),
    red: paint("red"),
    bold: paint("bold"),
    dim: paint("dim"),
  };
}
