/**
 * Many small requests to a storage at once, but never too many.
 *
 * @module
 */

/** Requests in flight: hides the latency of a network, and keeps libuv's pool busy. */
const requestsAtOnce = 32;

/** The results of `work` in the order of `items`. Stops asking for more at the first failure, which it throws. */
export async function boundedMap<T, R>(
  items: readonly T[],
  work: (item: T) => Promise<R>,
  signal: AbortSignal,
  atOnce: number = requestsAtOnce,
): Promise<R[]> {
  const results: R[] = new Array(items.length);
  let next = 0;
  let failed = false;
  const takeOne = async (): Promise<void> => {
    while (next < items.length && !failed) {
      signal.throwIfAborted();
      const i = next++;
      try {
        results[i] = await work(items[i] as T);
      } catch (error) {
        failed = true;
        throw error;
      }
    }
  };
  await Promise.all(Array.from({ length: Math.min(atOnce, items.length) }, takeOne));
  return results;
}
