// The help of the bundled command line.
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";

const root = fileURLToPath(new URL("../../..", import.meta.url));
const built = async (path: string) => import(join(root, "build/js/app/cli", path));

const printed = (...words: string[]) => {
  const { stdout, stderr, status } = spawnSync(process.execPath, [join(root, "bin/bidora.js"), ...words], {
    encoding: "utf8",
  });
  expect([status, stderr]).toEqual([0, ""]);
  return stdout;
};

test("each command prints the help that its options give", async () => {
  const { COMMANDS } = (await built("commands.js")) as typeof import("../../../src/app/cli/commands.js");
  const { renderHelp } = (await built("help.js")) as typeof import("../../../src/app/cli/help.js");
  const written = JSON.parse(readFileSync(join(root, "dist/help.json"), "utf8")) as object;
  expect(Object.keys(written)).toEqual(Object.keys(COMMANDS));
  for (const [name, { load }] of Object.entries(COMMANDS)) {
    const command = await load();
    expect(written).toHaveProperty([name], { screen: renderHelp(command), all: renderHelp(command, true) });
  }
  expect(printed("merge", "--help")).toBe(`${renderHelp(await COMMANDS.merge!.load())}\n`);
  expect(printed("help", "merge")).toBe(printed("merge", "-h"));
  expect(printed("merge", "--help", "--quiet")).toBe(printed("merge", "--help"));
});

/** The bytes of a bundled file and of all that it imports at once. */
function bytesLoaded(path: string, seen = new Map<string, number>()): number {
  if (!seen.has(path)) {
    const text = readFileSync(path, "utf8");
    seen.set(path, text.length);
    for (const [, own] of text.matchAll(/^import\b[^;]*?"(\.[^"]+)"/gm))
      bytesLoaded(resolve(dirname(path), own!), seen);
  }
  return [...seen.values()].reduce((sum, bytes) => sum + bytes, 0);
}

test("printing help loads little", () => {
  expect(bytesLoaded(join(root, "dist/app/cli/main.js"))).toBeLessThan(20_000);
  expect(bytesLoaded(join(root, "dist/chunks/dispatch.js"))).toBeLessThan(100_000);
});
