/**
 * The demo's app: a folder of uploads and a WAL database that another process
 * keeps writing to.
 *
 * @module
 */

import { type ChildProcess, fork } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { mkdir, open, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";

const imageCount = 300;
/** Side of the smallest and the largest image, in pixels of three bytes: 30 KB to 80 KB. */
const imageSidePixels = { smallest: 100, largest: 163 };
const videoSizeBytes = 64_000_000;
const writtenAtOnceBytes = 4_000_000;
const bitmapHeaderBytes = 54;

/** What was made. */
export interface SampleUploads {
  readonly files: number;
  readonly bytes: number;
}

/** Fills `folder` with images in a few folders, a video-sized file, a link and a name that is not ASCII. */
export async function makeUploads(folder: string, signal: AbortSignal): Promise<SampleUploads> {
  let bytes = 0;
  for (let i = 0; i < imageCount; i++) {
    signal.throwIfAborted();
    const directory = join(folder, "images", `2024-${String((i % 12) + 1).padStart(2, "0")}`);
    await mkdir(directory, { recursive: true });
    const span = imageSidePixels.largest - imageSidePixels.smallest + 1;
    const image = bitmap(imageSidePixels.smallest + (i % span));
    await writeFile(join(directory, `photo-${String(i).padStart(3, "0")}.bmp`), image);
    bytes += image.length;
  }
  await mkdir(join(folder, "videos"));
  await writeVideo(join(folder, "videos", "clip.mp4"), signal);
  await writeFile(join(folder, "Привет, мир.txt"), "a name that is not ASCII\n");
  await symlink("images/2024-01/photo-000.bmp", join(folder, "cover.bmp"));
  return { files: imageCount + 2, bytes: bytes + videoSizeBytes + 25 };
}

/** A valid 24-bit picture of noise: like photographs it does not compress. */
function bitmap(sidePixels: number): Buffer {
  const rowBytes = Math.ceil((sidePixels * 3) / 4) * 4;
  const image = Buffer.alloc(bitmapHeaderBytes + rowBytes * sidePixels);
  image.write("BM", 0, "latin1");
  image.writeUInt32LE(image.length, 2);
  image.writeUInt32LE(bitmapHeaderBytes, 10);
  image.writeUInt32LE(40, 14);
  image.writeInt32LE(sidePixels, 18);
  image.writeInt32LE(sidePixels, 22);
  image.writeUInt16LE(1, 26);
  image.writeUInt16LE(24, 28);
  randomBytes(rowBytes * sidePixels).copy(image, bitmapHeaderBytes);
  return image;
}

async function writeVideo(path: string, signal: AbortSignal): Promise<void> {
  await using file = await open(path, "wx");
  for (let written = 0; written < videoSizeBytes; written += writtenAtOnceBytes) {
    signal.throwIfAborted();
    await file.writeFile(randomBytes(writtenAtOnceBytes));
  }
}

/** The process that commits to the database until it is disposed of. */
export class SampleWriter implements AsyncDisposable {
  readonly #process: ChildProcess;

  private constructor(child: ChildProcess) {
    this.#process = child;
  }

  /** Makes the database and starts writing. Resolves once it commits. */
  static async start(databasePath: string, signal: AbortSignal): Promise<SampleWriter> {
    const extension = import.meta.filename.endsWith(".ts") ? "ts" : "js";
    const program = join(import.meta.dirname, `writer-process.${extension}`);
    // A group of its own: Ctrl-C must reach the demo, which ends the writer itself.
    const child = fork(program, [databasePath], {
      detached: true,
      stdio: ["ignore", "ignore", "inherit", "ipc"],
    });
    const writer = new SampleWriter(child);
    await writer.payments(signal);
    return writer;
  }

  /** Payments committed up to now, each in a transaction of its own. */
  async payments(signal: AbortSignal): Promise<number> {
    const answer = once(this.#process, "message", { signal });
    const ended = once(this.#process, "exit", { signal }).then(([code]) => {
      throw new Error(`The sample app's writer ended with code ${String(code)}`);
    });
    this.#process.send("how many?");
    const [payments] = (await Promise.race([answer, ended])) as [number];
    return payments;
  }

  /** Lets the writer finish its transaction and end. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#process.exitCode !== null || this.#process.signalCode !== null) return;
    const ended = once(this.#process, "exit");
    if (this.#process.connected) this.#process.disconnect();
    await ended;
  }
}
