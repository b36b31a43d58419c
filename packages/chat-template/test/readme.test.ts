// The README's example, run by plain Node as a user would run it.
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";

const cwd = fileURLToPath(new URL("..", import.meta.url));
const readme = readFileSync(new URL("../README.md", import.meta.url), "utf8");
const block = (language: string) => readme.split(`\`\`\`${language}\n`)[1]!.split("```")[0]!;

test("the README's example prints what the README says", () => {
  const printed = execFileSync(process.execPath, ["--input-type=module", "-e", block("js")], { cwd, encoding: "utf8" });
  expect(printed).toBe(block("text"));
});
