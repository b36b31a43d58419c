import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { COMMANDS } from "../../src/app/cli/commands.js";
import { flagOf } from "../../src/base/settings/index.js";

const page = readFileSync(new URL("../../docs/options.md", import.meta.url), "utf8");
const training = /\*training\* stands for (.*)\./.exec(page)![1]!;

/** The commands that a row of the page names. */
function commandsOf(cell: string): string[] {
  if (cell === "all") return Object.keys(COMMANDS);
  const [, without = ""] = /^\*training\* without ([^|]*)$/.exec(cell) ?? [];
  const names = cell.replace("*training*", training).split(/, | without /);
  return names.filter((name) => !(without.split(", ").includes(name) && training.split(", ").includes(name)));
}

test("the page of options has one row for each flag, with every command that takes it", async () => {
  const rows = page.split("\n").filter((line) => line.startsWith("| `--"));
  const shown = new Map(
    rows.map((row) => {
      const cells = row.slice(2, -2).split(/ (?<!\\)\| /);
      return [cells[0]!.replaceAll("`", ""), new Set(commandsOf(cells.at(-1)!))];
    }),
  );
  expect(shown.size).toBe(rows.length);
  expect(rows.length).toBeLessThanOrEqual(350);
  const taken = new Map<string, Set<string>>();
  for (const [name, { load }] of Object.entries(COMMANDS))
    for (const [key, option] of Object.entries((await load()).options))
      if (!option.positional) taken.set(flagOf(key), (taken.get(flagOf(key)) ?? new Set()).add(name));
  expect(shown).toEqual(taken);
});
