/**
 * Where the images of one run are made, and their removal when it is over.
 *
 * @module
 */

import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import type { OperationContext } from "./context.ts";
import { type Scratch, uniqueName } from "./scratch.ts";

export class ImagePlace implements AsyncDisposable {
  readonly #context: Pick<OperationContext, "machine">;
  readonly #directory: string;
  readonly #paths: string[] = [];

  /** @param directory Private, and for as long as the place is used */
  constructor(context: Pick<OperationContext, "machine">, directory: string) {
    this.#context = context;
    this.#directory = directory;
  }

  /** A path in the place where nothing is yet. */
  newPath(): string {
    const path = join(this.#directory, uniqueName(this.#context));
    this.#paths.push(path);
    return path;
  }

  /** Removes what is left; images that a vault took over are gone already. */
  async [Symbol.asyncDispose](): Promise<void> {
    for (const path of this.#paths) await rm(path, { force: true });
  }
}

/** On the vault's own file system where that is possible, so that images become part of it without a copy. */
export async function openImagePlace(context: OperationContext, scratch: Scratch): Promise<ImagePlace> {
  const directory = context.vault.stagingDirectory ?? scratch.directory;
  await mkdir(directory, { recursive: true, mode: 0o700 });
  return new ImagePlace(context, directory);
}
