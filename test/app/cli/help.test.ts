import { expect, test } from "vitest";
import { COMMANDS } from "../../../src/app/cli/commands.js";
import { renderHelp } from "../../../src/app/cli/help.js";
import { flagOf } from "../../../src/base/settings/option.js";
import { runOptions } from "../../../src/tasks/config/index.js";

test.each(Object.keys(COMMANDS))(
  "%s --help names every flag but rare ones and fits a screen of 40 lines",
  async (name) => {
    const command = await COMMANDS[name]!.load();
    const lines = renderHelp(command).split("\n");
    expect(lines.length).toBeLessThanOrEqual(40);
    for (const line of lines) expect(line.length, line).toBeLessThanOrEqual(80);
    const text = lines.join("\n");
    for (const [key, option] of Object.entries(command.options)) {
      if (option.positional) continue;
      const flag = option.default === true ? flagOf(key).replace("--", "--no-") : flagOf(key);
      const named = new RegExp(`(^|[ ,])${flag}(?![\\w-])`, "m");
      if (option.rare) expect(text).not.toMatch(named);
      else expect(text).toMatch(named);
    }
  },
);

test("--help-all explains every option", async () => {
  const words = renderHelp(await COMMANDS.finetune!.load(), true).replace(/\s+/g, " ");
  for (const option of Object.values(runOptions)) expect(words).toContain(option.help);
  expect(words).toContain("--[no-]shuffle shuffle the training rows (on)");
  expect(words).not.toContain("also");
});
