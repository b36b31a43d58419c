// Values that are kept until what they were made from changes.
import { expect, test } from "vitest";
import { Kept } from "../../../src/app/studio/kept.js";

test("a value is made again when its key has changed, and only then", () => {
  const kept = new Kept<number>();
  let made = 0;
  const ask = (name: string, ...key: readonly unknown[]) => kept.of(name, key, () => ++made);
  expect([ask("a", 1), ask("a", 1), ask("b", 1), ask("a", 2), ask("a", 2), ask("b", 1)]).toEqual([1, 1, 2, 3, 3, 2]);
  expect([ask("a", 1), ask("a", { bytes: [2] }), ask("a", { bytes: [2] })]).toEqual([4, 5, 5]);
});

test("those that were made last are kept", () => {
  const kept = new Kept<string>(2);
  const made: string[] = [];
  const ask = (name: string, key = 0) => kept.of(name, [key], () => made[made.push(name + key) - 1]!);
  for (const name of ["a", "b"]) ask(name);
  ask("a", 1);
  for (const name of ["c", "b"]) ask(name);
  expect(ask("c")).toBe("c0");
  expect(made).toEqual(["a0", "b0", "a1", "c0", "b0"]);
});

test("a promise is kept, and one that fails is not", async () => {
  const kept = new Kept<Promise<number>>();
  let asked = 0;
  const ask = () => kept.of("a", [], async () => (asked++ === 0 ? Promise.reject(new Error("at first")) : asked));
  await expect(ask()).rejects.toThrow("at first");
  expect(await ask()).toBe(2);
  expect(await ask()).toBe(2);
});
