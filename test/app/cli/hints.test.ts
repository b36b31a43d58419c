import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";

const src = fileURLToPath(new URL("../../../src/", import.meta.url));

test("no message suggests an npx command that could fetch another package of this name", () => {
  const files = readdirSync(src, { recursive: true, encoding: "utf8" }).filter((name) => name.endsWith(".ts"));
  expect(files.length).toBeGreaterThan(100);
  expect(files.filter((name) => /npx bidora/.test(readFileSync(join(src, name), "utf8")))).toEqual([]);
});
