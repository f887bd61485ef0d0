import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { isBackupError } from "../domain/error.ts";
import { loadConfiguration } from "./load-configuration.ts";

const directory = mkdtempSync(join(tmpdir(), "vertex-backup-configuration-"));
after(() => rmSync(directory, { recursive: true, force: true }));

let serial = 0;

/** Writes a configuration file and returns its path. */
function write(text: string): string {
  const file = join(directory, `config-${++serial}.yaml`);
  writeFileSync(file, text);
  return file;
}

const complete = `
vault: ./backups
format: repository
password_file: ../secret
state: ./state
sources:
  - name: shop
    databases:
      - app.db
      - path: /srv/other/app.db
        name: other.db
    storage:
      - uploads
      - path: media
        name: pictures
        exclude: ["*.tmp"]
        one_file_system: true
        exclude_caches: true
        plain_files: ["*"]
    references:
      - { database: app.db, table: images, column: file, base: uploads }
retention:
  last: 5
  yearly: unlimited
  within: 1y
  within_daily: 3m
  tags: [release, "a,b"]
`;

test("loadConfiguration() reads a file, with paths meant from the file's folder", async () => {
  const file = write(complete);
  const { configuration, file: read } = await loadConfiguration({ config: file }, {}, "/elsewhere");
  assert.equal(read, file);
  assert.deepEqual(configuration, {
    vault: join(directory, "backups"),
    format: "repository",
    password: { file: join(directory, "../secret") },
    state: join(directory, "state"),
    retention: { last: 5, yearly: "unlimited", within: "1y", withinDaily: "3m", tags: ["release", "a,b"] },
    sources: [
      {
        name: "shop",
        databases: [join(directory, "app.db"), { path: "/srv/other/app.db", name: "other.db" }],
        storage: [
          join(directory, "uploads"),
          {
            path: join(directory, "media"),
            name: "pictures",
            exclude: ["*.tmp"],
            oneFileSystem: true,
            excludeCaches: true,
            plainFiles: ["*"],
          },
        ],
        references: [
          { database: "app.db", table: "images", column: "file", base: join(directory, "uploads") },
        ],
      },
    ],
  });
});

test("loadConfiguration() takes ~/ at the beginning of every path of a file for the home directory", async () => {
  const file = write(
    complete
      .replaceAll(/(\.\.?\/|\/srv\/)(?=\w)/g, "~/")
      .replace("- uploads", "- ~/up~/~")
      .replace("base: uploads", 'base: "~"'),
  );
  const { configuration } = await loadConfiguration({ config: file }, {}, "/elsewhere");
  const { vault, password, state, sources } = configuration;
  const [source] = sources ?? [];
  assert.deepEqual(
    [vault, password, state, source?.databases?.[1], source?.storage?.[0], source?.references?.[0]?.base],
    [
      join(homedir(), "backups"),
      { file: join(homedir(), "secret") },
      join(homedir(), "state"),
      { path: join(homedir(), "other/app.db"), name: "other.db" },
      join(homedir(), "up~/~"),
      homedir(),
    ],
  );
  const literal = write("vault: ./~/x\nstate: ./~other/x\nsources:\n  - {name: a, databases: [~$1.db]}\n");
  const kept = await loadConfiguration({ config: literal }, {}, "/elsewhere");
  assert.equal(kept.configuration.vault, join(directory, "~/x"));
  assert.equal(kept.configuration.state, join(directory, "~other/x"));
  assert.deepEqual(kept.configuration.sources?.[0]?.databases, [join(directory, "~$1.db")]);
});

test("loadConfiguration() takes ~/ for the home directory in variables, which no shell has read either", async () => {
  const environment = {
    BACKUP_DIR: "~/backups",
    VERTEX_BACKUP_STATE: "~/state",
    VERTEX_BACKUP_PASSWORD_FILE: "~/secret",
  };
  const { vault, state, password } = (await loadConfiguration({}, environment, "/elsewhere")).configuration;
  const home = homedir();
  assert.deepEqual(
    [vault, state, password],
    [join(home, "backups"), join(home, "state"), { file: join(home, "secret") }],
  );
  await assert.rejects(
    loadConfiguration({}, { VERTEX_BACKUP_CONFIG: "~/none-such.yaml" }, "/elsewhere"),
    (error) => isBackupError(error, "not-found") && error.message.includes(join(home, "none-such.yaml")),
  );
});

test("loadConfiguration() refuses a path in the home of another user, and says how a file that is called so is written", async () => {
  const source = (item: string): string => `sources:\n  - name: a\n    ${item}\n`;
  const cases = [
    ["vault: ~other/x\n", 1],
    ["state: ~other\n", 1],
    [source("storage: [~other/x]"), 3],
    [source("databases: [{ path: ~other/a.db, name: b }]"), 3],
  ] as const;
  for (const [text, line] of cases) {
    await assert.rejects(
      loadConfiguration({ config: write(text) }, {}, directory),
      (error) =>
        isBackupError(error, "invalid-input") &&
        error.message.includes(`:${line}: only ~/ is understood`) &&
        error.message.includes("./~NAME"),
      text,
    );
  }
  await loadConfiguration({ config: write("password_command: ~other/secret\n") }, {}, directory);
});

test("loadConfiguration() says of an argument that was no UTF-8 what it is, and not that it is missing", async () => {
  const shown = "caf\ufffd.db";
  for (const overrides of [{ databases: [shown] }, { storage: [shown] }, { vault: shown }]) {
    await assert.rejects(
      loadConfiguration(overrides, {}, directory),
      (error) => isBackupError(error, "invalid-input") && /not UTF-8/.test(error.message),
      JSON.stringify(overrides),
    );
  }
  // Somebody may have a file that is really called so.
  writeFileSync(join(directory, shown), "");
  const { configuration } = await loadConfiguration({ databases: [shown] }, {}, directory);
  assert.deepEqual(configuration.sources?.[0]?.databases, [join(directory, shown)]);
});

test("loadConfiguration() finds vertex-backup.yaml in the current directory", async () => {
  const file = join(directory, "vertex-backup.yaml");
  writeFileSync(file, "vault: here\n");
  const loaded = await loadConfiguration({}, {}, directory);
  rmSync(file);
  assert.equal(loaded.file, file);
  assert.equal(loaded.configuration.vault, join(directory, "here"));
});

test("loadConfiguration() without a file protects what the options name, in ./backups", async () => {
  const overrides = {
    databases: ["app.db"],
    storage: ["up"],
    folders: { exclude: ["*.log"] },
    lockWaitMs: 5,
  };
  const { configuration, file } = await loadConfiguration(overrides, {}, "/srv/shop");
  assert.equal(file, undefined);
  assert.deepEqual(configuration, {
    vault: "/srv/shop/backups",
    sources: [{ name: "app", databases: ["/srv/shop/app.db"], storage: ["/srv/shop/up"] }],
  });
});

test("loadConfiguration() lets options win over the environment, and the environment over the file (C8)", async () => {
  const file = write(complete);
  const environment = {
    VERTEX_BACKUP_CONFIG: file,
    BACKUP_DIR: "env-vault",
    MAX_BACKUPS: "3",
    BACKUP_TYPE: "storage",
    VERTEX_BACKUP_STATE: "/var/state",
  };
  const fromEnvironment = await loadConfiguration({}, environment, "/srv");
  assert.equal(fromEnvironment.configuration.vault, "/srv/env-vault");
  assert.deepEqual(fromEnvironment.configuration.retention, { last: 3 });
  assert.equal(fromEnvironment.configuration.state, "/var/state");
  assert.equal(fromEnvironment.type, "storage");
  const fromOptions = await loadConfiguration(
    { vault: "option-vault", storage: ["up"] },
    environment,
    "/srv",
  );
  assert.equal(fromOptions.configuration.vault, "/srv/option-vault");
  assert.deepEqual(
    fromOptions.configuration.sources?.map((source) => source.name),
    ["app"],
  );
});

test("loadConfiguration() takes empty variables as not set", async () => {
  const environment = { BACKUP_DIR: "", MAX_BACKUPS: "", BACKUP_TYPE: "", VERTEX_BACKUP_CONFIG: "" };
  const { configuration, type } = await loadConfiguration({}, environment, "/srv");
  assert.deepEqual(configuration, { vault: "/srv/backups", sources: [] });
  assert.equal(type, undefined);
});

test("loadConfiguration() refuses variables that make no sense", async () => {
  for (const environment of [{ MAX_BACKUPS: "0" }, { MAX_BACKUPS: "ten" }, { BACKUP_TYPE: "everything" }]) {
    await assert.rejects(
      loadConfiguration({}, environment, "/srv"),
      (error) => isBackupError(error, "invalid-input"),
      JSON.stringify(environment),
    );
  }
});

test("loadConfiguration() takes the password from options, our variables, the file and restic's variables, in this order", async () => {
  const restic = { RESTIC_PASSWORD: "a", RESTIC_PASSWORD_COMMAND: "b" };
  const file = write("password-command: c\n");
  const named = write("password_file: f\n");
  const ours = { VERTEX_BACKUP_PASSWORD: "d", VERTEX_BACKUP_PASSWORD_FILE: "" };
  const of = async (overrides: object, environment: object): Promise<unknown> =>
    (await loadConfiguration(overrides, { ...environment }, "/srv")).configuration.password;
  assert.equal(await of({}, {}), undefined);
  assert.deepEqual(await of({}, { RESTIC_PASSWORD: "a" }), { variable: "RESTIC_PASSWORD" });
  assert.deepEqual(await of({}, restic), { command: "b" });
  assert.deepEqual(await of({ config: file }, restic), { command: "c" });
  assert.deepEqual(await of({ config: named }, restic), { file: join(directory, "f") });
  assert.deepEqual(await of({ config: file }, { ...restic, ...ours }), {
    variable: "VERTEX_BACKUP_PASSWORD",
  });
  assert.deepEqual(await of({ config: file }, { ...ours, VERTEX_BACKUP_PASSWORD_FILE: "e" }), {
    file: "/srv/e",
  });
  assert.deepEqual(await of({ config: file, passwordFile: "g" }, ours), { file: "/srv/g" });
  assert.deepEqual(await of({ passwordCommand: "h" }, ours), { command: "h" });
  const both = { RESTIC_PASSWORD_FILE: "a", RESTIC_PASSWORD_COMMAND: "b" };
  await assert.rejects(of({}, both), (error) => isBackupError(error, "invalid-input"));
  await assert.rejects(of({ passwordFile: "a", passwordCommand: "b" }, {}), /--password-file and/);
});

test("loadConfiguration() takes restic's repository where nothing else names a vault, and only a folder", async () => {
  const file = join(directory, "repository");
  writeFileSync(file, "/srv/from-file\n");
  const of = async (environment: object, overrides: object = {}): Promise<unknown> => {
    const { configuration } = await loadConfiguration(overrides, { ...environment }, "/home");
    return [configuration.vault, configuration.format];
  };
  assert.deepEqual(await of({ RESTIC_REPOSITORY: "repo" }), ["/home/repo", "repository"]);
  assert.deepEqual(await of({ RESTIC_REPOSITORY: "local:/srv/repo" }), ["/srv/repo", "repository"]);
  assert.deepEqual(await of({ RESTIC_REPOSITORY_FILE: file }), ["/srv/from-file", "repository"]);
  assert.deepEqual(await of({ RESTIC_REPOSITORY: "r", BACKUP_DIR: "b" }), ["/home/b", undefined]);
  assert.deepEqual(await of({ RESTIC_REPOSITORY: "r" }, { vault: "v" }), ["/home/v", undefined]);
  const config = write("vault: here\n");
  assert.deepEqual(await of({ RESTIC_REPOSITORY: "r" }, { config }), [join(directory, "here"), undefined]);
  for (const text of ["s3:https://user:geheim@host/x", "sftp:host:/x", "rest:http://h/", "rclone:r:x"]) {
    for (const given of [of({ RESTIC_REPOSITORY: text }), of({}, { vault: text })]) {
      await assert.rejects(
        given,
        (error) => isBackupError(error, "unsupported") && !error.message.includes("geheim"),
      );
    }
  }
  const both = { RESTIC_REPOSITORY: "a", RESTIC_REPOSITORY_FILE: file };
  await assert.rejects(of(both), (error) => isBackupError(error, "invalid-input"));
  const missing = { RESTIC_REPOSITORY_FILE: join(directory, "no-such-file") };
  await assert.rejects(of(missing), (error) => isBackupError(error, "source-unavailable"));
});

const refused: readonly [text: string, line: number, names: RegExp][] = [
  ["vault: b\nretenion:\n  last: 3\n", 2, /unknown key at retenion/],
  ["vault: b\nretention:\n  last: 3\n  dayly: 3\n", 4, /unknown key at retention.dayly/],
  ["retention:\n  last: 0\n", 2, /retention.last/],
  ["retention:\n  last: many\n", 2, /number of at least 1, or unlimited at retention.last/],
  ["retention:\n  last: 3\n  within: 30 days\n", 3, /wanted a duration like 1y5m7d2h at retention.within/],
  ["retention:\n  within: 0d\n", 2, /retention.within/],
  ["retention:\n  within_weekly: 0d\n", 2, /retention.within_weekly/],
  [
    "sources:\n  - name: a\n    storage:\n      - path: x\n        exclud: [y]\n",
    5,
    /sources.0.storage.0.exclud/,
  ],
  ["sources:\n  - storage: [x]\n", 2, /sources.0.name/],
  ["vault: b\nformat: borg\n", 2, /format/],
  ["vault: [\n", 2, /./],
  ["vault: a\nvault: b\n", 2, /unique/],
  ["- vault\n", 1, /./],
];

test("loadConfiguration() names the line of what it does not understand", async () => {
  for (const [text, line, names] of refused) {
    const config = write(text);
    await assert.rejects(
      loadConfiguration({ config }, {}, "/srv"),
      (error) =>
        isBackupError(error, "invalid-input") &&
        error.message.includes(`${config}:${line}: `) &&
        names.test(error.message),
      text,
    );
  }
});

test("loadConfiguration() refuses aliases that multiply each other", async () => {
  const lines = ["a: &a [x,x,x,x,x,x,x,x,x]"];
  for (let i = 1; i < 10; i++) {
    const [name, other] = [String.fromCharCode(97 + i), String.fromCharCode(96 + i)];
    lines.push(`${name}: &${name} [${Array(9).fill(`*${other}`).join(",")}]`);
  }
  const config = write(`${lines.join("\n")}\n`);
  await assert.rejects(
    loadConfiguration({ config }, {}, "/srv"),
    (error) => isBackupError(error, "invalid-input") && error.message.includes(config),
  );
});

test("docs/configuration.md names every key", () => {
  const page = readFileSync(new URL("../../docs/configuration.md", import.meta.url), "utf8");
  const source = readFileSync(new URL("./configuration-file.ts", import.meta.url), "utf8");
  const schema = source.slice(0, source.indexOf("export function"));
  const keys = Array.from(schema.matchAll(/\b([a-z_]+): (?:z\.|path\b|count\b)/g), (match) => match[1]!);
  assert.ok(keys.includes("plain_files") && keys.includes("yearly"));
  for (const key of keys) assert.match(page, new RegExp(`\\b${key}\\b`), key);
});

test("loadConfiguration() says when a named file is not there", async () => {
  const config = join(directory, "none.yaml");
  await assert.rejects(loadConfiguration({ config }, {}, "/srv"), (error) =>
    isBackupError(error, "not-found"),
  );
});
