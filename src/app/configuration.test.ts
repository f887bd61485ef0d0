import assert from "node:assert/strict";
import { userInfo } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { isBackupError } from "../domain/error.ts";
import { checkConfiguration, resolveSources, type SourceConfiguration } from "./configuration.ts";
import { homeDirectory } from "./home-directory.ts";
import { defaultStateDirectory } from "./state-directory.ts";

test("resolveSources() fills in names and absolute paths", () => {
  const [source] = resolveSources(
    [
      {
        name: "shop",
        databases: ["data/app.db"],
        storage: [{ path: "/srv/uploads/", exclude: ["*.tmp"] }],
        references: [{ table: "images", column: "file", base: "data" }],
      },
    ],
    "/home/app",
  );
  assert.deepEqual(source, {
    name: "shop",
    databases: [{ name: "app.db", path: "/home/app/data/app.db" }],
    folders: [
      {
        name: "uploads",
        path: "/srv/uploads",
        excludes: ["*.tmp"],
        oneFileSystem: false,
        excludeCaches: false,
        plainFiles: [],
      },
    ],
    references: [{ database: "app.db", table: "images", column: "file", base: "/home/app/data" }],
  });
});

const refused: readonly (readonly SourceConfiguration[])[] = [
  [{ name: "a b" }],
  [{ name: "" }],
  [{ name: "a" }, { name: "a" }],
  [{ name: "a", storage: ["/x/uploads", "/y/uploads"] }],
  [{ name: "a", databases: ["/x/data"], storage: ["/y/data"] }],
  [{ name: "a", storage: ["/"] }],
  [{ name: "a", storage: [""] }],
  [{ name: "a", databases: [{ path: "/x/a.db", name: "../a.db" }] }],
  [
    {
      name: "a",
      databases: ["/a.db"],
      references: [{ database: "b.db", table: "t", column: "c", base: "/" }],
    },
  ],
  [{ name: "a", databases: ["/a", "/b"], references: [{ table: "t", column: "c", base: "/" }] }],
];

test("resolveSources() refuses names that are not unique or cannot be a path component", () => {
  for (const sources of refused) {
    assert.throws(
      () => resolveSources(sources, "/home"),
      (error) => isBackupError(error, "invalid-input"),
      JSON.stringify(sources),
    );
  }
});

test("resolveSources() says what is wrong with a name", () => {
  const told: readonly [SourceConfiguration, RegExp, RegExp][] = [
    [{ name: "a", databases: ["/x/a\nb.db"] }, /control character, such as a newline$/, /key name sets one/],
    [{ name: "a", storage: [{ path: "/x", name: "a/b" }] }, /it has a slash$/, /without slashes/],
    [{ name: "a", storage: ["/"] }, /it is empty$/, /a name of its own/],
    [{ name: "a", storage: [{ path: "/x", name: ".." }] }, /it stands for a folder$/, /a name of its own/],
  ];
  for (const [source, message, hint] of told) {
    assert.throws(
      () => resolveSources([source], "/"),
      (error) =>
        isBackupError(error, "invalid-input") && message.test(error.message) && hint.test(error.hint ?? ""),
      String(message),
    );
  }
});

test("checkConfiguration() refuses rules that keep nothing and a vault without a path", () => {
  for (const configuration of [
    { vault: "" },
    { vault: "b", retention: {} },
    { vault: "b", lockWaitMs: -1 },
  ]) {
    assert.throws(
      () => checkConfiguration(configuration),
      (error) => isBackupError(error, "invalid-input"),
    );
  }
  checkConfiguration({ vault: "b" });
});

/** What the system says; undefined for a user who is a number only, as in containers. */
function knownHome(): string | undefined {
  try {
    return userInfo().homedir;
  } catch {
    return undefined;
  }
}

test("defaultStateDirectory() follows the XDG specification", () => {
  assert.equal(defaultStateDirectory({ XDG_STATE_HOME: "/x/state" }), "/x/state/vertex-backup");
  assert.match(defaultStateDirectory({ XDG_STATE_HOME: "relative" }), /\/\.local\/state\/vertex-backup$/);
  assert.equal(defaultStateDirectory({ VERTEX_BACKUP_STATE: "/own", XDG_STATE_HOME: "/x" }), "/own");
  assert.equal(defaultStateDirectory({ VERTEX_BACKUP_STATE: "~/own" }), join(homeDirectory(), "own"));
  const before = process.env["HOME"];
  try {
    for (const empty of ["", "relative"]) {
      process.env["HOME"] = empty;
      const known = knownHome();
      if (known === undefined) {
        assert.throws(homeDirectory, (error) => isBackupError(error, "invalid-input"));
        continue;
      }
      assert.equal(homeDirectory(), known);
      assert.equal(defaultStateDirectory({}), join(known, ".local/state/vertex-backup"));
    }
    process.env["HOME"] = "/given";
    assert.equal(homeDirectory(), "/given");
  } finally {
    if (before === undefined) delete process.env["HOME"];
    else process.env["HOME"] = before;
  }
});
