/**
 * Two pieces of work at the same time, neither of which outlives a failure of the other.
 *
 * @module
 */

/** The results of both; throws the first failure when both have ended. */
export async function sideBySide<A, B>(
  first: (signal: AbortSignal) => Promise<A>,
  second: (signal: AbortSignal) => Promise<B>,
  signal: AbortSignal,
): Promise<readonly [A, B]> {
  const failed = new AbortController();
  const either = AbortSignal.any([signal, failed.signal]);
  const run = async <T>(work: (signal: AbortSignal) => Promise<T>): Promise<T> => {
    try {
      return await work(either);
    } catch (error) {
      failed.abort(error);
      throw error;
    }
  };
  const both = [run(first), run(second)] as const;
  await Promise.allSettled(both);
  failed.signal.throwIfAborted();
  return await Promise.all(both);
}
