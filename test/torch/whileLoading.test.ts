import { expect, test } from "vitest";
import { whileLoading } from "../../src/torch/native/index.js";

test("nothing is waited for where no thread loads libtorch", async () => {
  await expect(whileLoading(new Promise(() => {}))).resolves.toBeUndefined();
  await expect(whileLoading(Promise.reject(new Error("reported by who waits for it")))).resolves.toBeUndefined();
});
