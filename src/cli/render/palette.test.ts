import assert from "node:assert/strict";
import { test } from "node:test";
import { createPalette, wantsColour } from "./palette.ts";

test("wantsColour() colours terminals only, and never against NO_COLOR or --no-color", () => {
  const facts = (isTerminal: boolean, env: Record<string, string>, switchedOff = false) =>
    wantsColour({ isTerminal, env, switchedOff });
  assert.equal(facts(true, {}), true);
  assert.equal(facts(false, {}), false);
  assert.equal(facts(true, { NO_COLOR: "1" }), false);
  assert.equal(facts(true, { NO_COLOR: "" }), true);
  assert.equal(facts(true, {}, true), false);
  assert.equal(facts(true, { TERM: "dumb" }), false);
  assert.equal(facts(false, { FORCE_COLOR: "1" }), true);
  assert.equal(facts(true, { FORCE_COLOR: "0" }), false);
  assert.equal(facts(true, { FORCE_COLOR: "1", NO_COLOR: "1" }), false);
});

test("createPalette() without colour leaves text as it is", () => {
  assert.equal(createPalette(false).red("x"), "x");
  assert.equal(createPalette(true).red("x"), "\x1b[31mx\x1b[39m");
});
