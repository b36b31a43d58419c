// METEOR where the package wordnet is not installed.
import { expect, test, vi } from "vitest";
import { bleu, meteor, requireWordnet } from "../src/index.js";

vi.mock("node:module", () => ({
  createRequire: () => ({
    resolve(name: string) {
      throw Object.assign(new Error(`Cannot find module '${name}'`), { code: "MODULE_NOT_FOUND" });
    },
  }),
}));

test("METEOR names the package to install, whatever the texts, and the other metrics work", () => {
  const missing = {
    name: "TextMetricError",
    code: "WORDNET_MISSING",
    message:
      "METEOR looks up synonyms in the package wordnet (27 MB), which is not installed: run `npm install wordnet`.",
  };
  expect(() => requireWordnet()).toThrow(expect.objectContaining(missing));
  expect(() => meteor().measure(["a"], "a", 1)).toThrow(expect.objectContaining(missing));
  expect(bleu().result([bleu().measure(["a"], "a", 1)])).toEqual({ bleu: 1 });
});
