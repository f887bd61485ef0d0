/**
 * How the facade runs an operation: the context is opened as far as it is needed,
 * interrupted restores are finished, and signal and observer are there.
 *
 * @module
 */

import type { Observer } from "../domain/progress.ts";
import { checkRequest } from "./check-request.ts";
import type { Access, ContextProvider, OperationContext } from "./context.ts";
import { recoverFirst } from "./recover-first.ts";
import type { RunOptions, Started } from "./requests.ts";
import { bothObservers } from "./run-log.ts";
import type { CreateVaultRequest } from "./vault-requests.ts";

type Operation<R extends RunOptions, T> = (context: OperationContext, request: Started<R>) => Promise<T>;

/** Runs the operations of one manager. */
export class OperationRunner {
  readonly #contexts: ContextProvider;
  readonly #observer: Observer | undefined;

  /** @param observer Hears every operation, besides the observer of the single call. */
  constructor(contexts: ContextProvider, observer: Observer | undefined) {
    this.#contexts = contexts;
    this.#observer = observer;
  }

  /**
   * @param prepare Refuses a request that makes no sense before a vault is made for it. What it gives is
   *   disposed of at the end
   */
  async create<R extends RunOptions, T>(
    request: R,
    operation: Operation<R, T>,
    prepare: () => AsyncDisposable | undefined,
  ): Promise<T> {
    return await this.#open("create", request, operation, prepare);
  }

  /** Finishes interrupted restores first, tells what the vault lacks, then runs the operation. */
  async run<R extends RunOptions, T>(access: Access, request: R, operation: Operation<R, T>): Promise<T> {
    return await this.#open(access, request, operation, () => undefined);
  }

  /**
   * As {@link run}, for an operation that gives its results one after the other. Nothing begins
   * before the first is asked for.
   */
  async *iterate<R extends RunOptions, T>(
    access: Access,
    request: R,
    operation: (context: OperationContext, request: Started<R>) => AsyncIterable<T>,
  ): AsyncGenerator<T> {
    const begun = await this.run(access, request, async (context, started) => ({ context, started }));
    yield* operation(begun.context, begun.started);
  }

  /** Makes the vault that the request names the format of, and describes it. */
  async make<R extends CreateVaultRequest, T>(request: R, operation: Operation<R, T>): Promise<T> {
    return await this.#start(request, operation, (signal, warn) =>
      this.#contexts.make(request, signal, warn),
    );
  }

  /** Runs the operation in a context that is opened as far as `access` says. */
  async open<R extends RunOptions, T>(access: Access, request: R, operation: Operation<R, T>): Promise<T> {
    return await this.#start(request, operation, (signal, warn) => this.#contexts.open(access, signal, warn));
  }

  async #open<R extends RunOptions, T>(
    access: Access,
    request: R,
    operation: Operation<R, T>,
    prepare: () => AsyncDisposable | undefined,
  ): Promise<T> {
    return await this.#start(
      request,
      async (context, started) => {
        await recoverFirst(context, access, started);
        await warnOfFlaw(context, started);
        return await operation(context, started);
      },
      (signal, warn) => this.#contexts.open(access, signal, warn),
      prepare,
    );
  }

  /** The only place where a request is looked at before it is believed. */
  async #start<R extends RunOptions, T>(
    request: R,
    operation: Operation<R, T>,
    open: (signal: AbortSignal, warn: (message: string) => void) => Promise<OperationContext>,
    prepare: () => AsyncDisposable | undefined = () => undefined,
  ): Promise<T> {
    checkRequest(request);
    const signal = request.signal ?? new AbortController().signal;
    const observer = bothObservers(this.#observer, request.observer);
    signal.throwIfAborted();
    await using _prepared = prepare();
    const context = await open(signal, (message) => observer.warning(message));
    return await operation(context, { ...request, signal, observer });
  }
}

/** Before anything fails for want of it; and where nothing does, as in a list, it would not be told at all. */
async function warnOfFlaw(
  { vault }: OperationContext,
  { signal, observer }: Started<RunOptions>,
): Promise<void> {
  const flaw = await vault.flaw(signal);
  if (flaw !== "") observer.warning(flaw);
}
