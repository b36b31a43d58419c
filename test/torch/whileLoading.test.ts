import { expect, test } from "vitest";
import { preloadEngine, whileLoading } from "../../src/torch/native/index.js";

test("nothing is waited for where no thread loads libtorch", async () => {
  await expect(whileLoading(new Promise(() => {}))).resolves.toBeUndefined();
});

test("work that fails is not waited for any longer, and its error goes on", async () => {
  preloadEngine();
  await expect(whileLoading(Promise.reject(new Error("no such row")))).rejects.toThrow("no such row");
});
