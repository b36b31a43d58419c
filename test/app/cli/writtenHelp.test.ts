// Help texts that the build has written.
import { writeFileSync } from "node:fs";
import { pathToFileURL } from "node:url";
import { expect, test } from "vitest";
import { COMMANDS } from "../../../src/app/cli/commands.js";
import { isHelp, overview, writtenHelp } from "../../../src/app/cli/writtenHelp.js";
import { freshPath } from "../../support/workFolder.js";

test("a command has the text for its word; without a whole file there is none", () => {
  const file = pathToFileURL(freshPath("help.json"));
  expect(writtenHelp(file, "finetune", "--help")).toBeUndefined();
  writeFileSync(file, JSON.stringify({ finetune: { screen: "short", all: "long" } }));
  expect(["--help", "-h", "--help-all"].map((word) => writtenHelp(file, "finetune", word))).toEqual([
    "short",
    "short",
    "long",
  ]);
  expect(writtenHelp(file, "merge", "--help")).toBeUndefined();
  writeFileSync(file, '{"finetune": {"screen": "sho');
  expect(writtenHelp(file, "finetune", "--help")).toBeUndefined();
});

test("the overview has a line for each command", () => {
  const lines = overview().split("\n");
  for (const [name, { about }] of Object.entries(COMMANDS)) expect(lines).toContain(`  ${name.padEnd(22)}${about}`);
});

test.each([
  ["--help", true],
  ["--help-all", true],
  ["-h", true],
  ["help", false],
  ["--helpful", false],
])("%s", (word, isOne) => expect(isHelp(word)).toBe(isOne));
