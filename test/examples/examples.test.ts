// An example in this process; examples.slow.test.ts compiles all of them and runs each as docs/library.md says.
import { join } from "node:path";
import { afterEach, expect, test, vi } from "vitest";
import { GOLDEN } from "../support/golden.js";

const LLAMA = join(GOLDEN, "generation", "llama");
const { argv } = process;

afterEach(() => {
  process.argv = argv;
  vi.restoreAllMocks();
});

test("generate", async () => {
  const printed: string[] = [];
  vi.spyOn(process.stdout, "write").mockImplementation((text) => printed.push(String(text)) > 0);
  vi.spyOn(console, "log").mockImplementation((text) => void printed.push(`${text}\n`));
  process.argv = [process.execPath, join("examples", "generate.js"), LLAMA, "one two"];
  await import("../../examples/generate.js");
  expect(printed.join("")).toMatch(/^[\s\S]* \[(length|eos)\]\none two … ".*" \(\d+ tokens\)\n$/);
});
