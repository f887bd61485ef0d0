import assert from "node:assert/strict";
import { test } from "node:test";
import type { Progress } from "../domain/progress.ts";
import { SummedProgress } from "./summed-progress.ts";

test("SummedProgress adds up runs side by side, phase by phase", () => {
  const seen: Progress[] = [];
  const sum = new SummedProgress({ progress: (one) => seen.push(one), warning() {}, problem() {} });
  const [a, b] = [sum.forOne(), sum.forOne()];
  a.progress({ phase: "store", bytesDone: 10, itemsDone: 1, bytesTotal: 20 });
  b.progress({ phase: "store", bytesDone: 5, itemsDone: 2, bytesTotal: 7, current: "b" });
  a.progress({ phase: "scan", bytesDone: 1, itemsDone: 1 });
  a.progress({ phase: "store", bytesDone: 20, itemsDone: 2 });
  assert.deepEqual(seen, [
    { phase: "store", bytesDone: 10, itemsDone: 1, bytesTotal: 20 },
    { phase: "store", bytesDone: 15, itemsDone: 3, bytesTotal: 27, current: "b" },
    { phase: "scan", bytesDone: 1, itemsDone: 1 },
    { phase: "store", bytesDone: 25, itemsDone: 4 },
  ]);
});
