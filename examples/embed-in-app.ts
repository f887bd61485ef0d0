/**
 * A small picture gallery that takes its own backups: a database of pictures, a
 * folder of uploads, and an HTTP server that goes on serving while a backup runs.
 *
 *     node examples/embed-in-app.ts ./gallery
 *     curl --data-binary @cat.jpg 'localhost:8080/pictures?name=cat.jpg'
 *     curl -X POST localhost:8080/backups
 *     curl localhost:8080/backups
 *
 * A program that installed the package imports from "vertex-backup" instead.
 *
 * @module
 */

import { randomUUID } from "node:crypto";
import { createWriteStream, mkdirSync } from "node:fs";
import { rename } from "node:fs/promises";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { extname, join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { pipeline } from "node:stream/promises";
import { type BackupManager, createBackupManager, isBackupError } from "../src/library.ts";

const hourMs = 3_600_000;

export interface Gallery extends AsyncDisposable {
  readonly url: string;
  readonly manager: BackupManager;
}

/** Starts the app in a folder, which is made, and backs it up every six hours until it is disposed of. */
export async function startGallery(directory: string, port: number = 0): Promise<Gallery> {
  const uploads = join(directory, "uploads");
  mkdirSync(uploads, { recursive: true });
  const database = new DatabaseSync(join(directory, "gallery.db"));
  database.exec("PRAGMA journal_mode = WAL");
  database.exec("CREATE TABLE IF NOT EXISTS pictures (id INTEGER PRIMARY KEY, name TEXT, file TEXT)");

  const stopping = new AbortController();
  const manager = createBackupManager(
    {
      vault: join(directory, "backups"),
      state: join(directory, "state"),
      sources: [
        {
          name: "gallery",
          databases: [join(directory, "gallery.db")],
          storage: [uploads],
          // Every file that a row names is looked up in the backup.
          references: [{ table: "pictures", column: "file", base: uploads }],
        },
      ],
      retention: { last: 7, daily: 14, weekly: 8 },
    },
    {
      observer: {
        progress() {},
        warning: (message) => console.warn(message),
        problem: (problem) => console.warn(`${problem.path}: ${problem.message}`),
      },
    },
  );
  const timer = setInterval(() => void backUpQuietly(manager, stopping.signal), 6 * hourMs);

  const server = createServer((request, response) => {
    answer({ database, uploads, manager }, request, response).catch((error) => {
      response.statusCode = 500;
      response.end(
        isBackupError(error) ? `${error.message}. ${error.hint ?? ""}\n` : "something went wrong\n",
      );
    });
  });
  await listen(server, port);
  return {
    url: `http://localhost:${(server.address() as AddressInfo).port}`,
    manager,
    async [Symbol.asyncDispose]() {
      clearInterval(timer);
      stopping.abort();
      server.closeAllConnections();
      server.close();
      await manager[Symbol.asyncDispose]();
      database.close();
    },
  };
}

async function backUpQuietly(manager: BackupManager, signal: AbortSignal): Promise<void> {
  try {
    await manager.createFullBackup({ signal, tags: ["scheduled"] });
  } catch (error) {
    if (!signal.aborted) console.error("The backup failed:", error);
  }
}

interface App {
  readonly database: DatabaseSync;
  readonly uploads: string;
  readonly manager: BackupManager;
}

async function answer(app: App, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const url = new URL(request.url ?? "/", "http://localhost");
  switch (`${request.method} ${url.pathname}`) {
    case "POST /pictures":
      return sendJson(response, await addPicture(app, url.searchParams.get("name") ?? "", request));
    case "GET /pictures":
      return sendJson(response, app.database.prepare("SELECT * FROM pictures").all());
    case "POST /backups": {
      const { backup, problems } = await app.manager.createFullBackup();
      return sendJson(response, { id: backup.id, state: backup.state, problems });
    }
    case "GET /backups": {
      const backups = await app.manager.listBackups();
      return sendJson(
        response,
        backups.map(({ id, startedAt, state }) => ({ id, startedAt, state })),
      );
    }
    default:
      response.statusCode = 404;
      response.end();
  }
}

/** First the file under its final name, then the row: a backup holds every file that its rows name. */
async function addPicture(app: App, name: string, body: IncomingMessage): Promise<{ file: string }> {
  const file = `${randomUUID()}${extname(name)}`;
  const unfinished = join(app.uploads, `${file}.part`);
  await pipeline(body, createWriteStream(unfinished, { flags: "wx" }));
  await rename(unfinished, join(app.uploads, file));
  app.database.prepare("INSERT INTO pictures (name, file) VALUES (?, ?)").run(name, file);
  return { file };
}

function sendJson(response: ServerResponse, value: unknown): void {
  response.setHeader("content-type", "application/json");
  response.end(`${JSON.stringify(value)}\n`);
}

function listen(server: Server, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, "localhost", resolve);
  });
}

if (import.meta.main) {
  const gallery = await startGallery(process.argv[2] ?? "./gallery", 8080);
  console.log(`Listening on ${gallery.url}`);
}
