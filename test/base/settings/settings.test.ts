import { describe, expect, test } from "vitest";
import { number, text, toggle, whole } from "../../../src/base/settings/kinds.js";
import { both, type Given, option } from "../../../src/base/settings/option.js";
import { checkSettings, filled, refuseWithoutEffect } from "../../../src/base/settings/settings.js";
import { resolveRun } from "../../../src/tasks/config/index.js";

const withInput = {
  only: "with --input",
  holds: ({ input }: { readonly input?: string | undefined }) => input !== undefined,
};
const ofTexts = {
  only: "for texts",
  holds: ({ isText }: { readonly isText?: boolean }) => isText !== false,
};
const group = "Data";
const table = {
  input: option(text("FILE"), { group, help: "file of rows" }),
  rows: option(whole(1), { group, help: "rows in a batch", default: 8, appliesWhen: withInput }),
  overwrite: option(toggle, { group, help: "replace files", default: false, appliesWhen: withInput }),
  share: option(number(), { group, help: "share of the rows", appliesWhen: both(withInput, ofTexts) }),
};

/** Checks settings and fills in defaults, as a command's call does. */
function resolveSettings(asked: typeof table, given: Given<typeof table>) {
  const settings = filled(asked, checkSettings(asked, given));
  refuseWithoutEffect(asked, settings);
  return settings;
}

describe("the settings of a call", () => {
  test("fills in defaults and keeps what was given", () => {
    expect(resolveSettings(table, { input: "f" })).toEqual({
      ...{ input: "f", rows: 8, overwrite: false, share: undefined },
      given: { input: "f" },
    });
  });

  test("refuses a setting without effect by name", () => {
    expect(() => resolveSettings(table, { rows: 2, share: 1 })).toThrow(
      "No effect here: --rows (applies only with --input), --share (applies only with --input and for texts); add what they need, or leave them out.",
    );
    expect(() => resolveSettings(table, { overwrite: true })).toThrow("--overwrite (applies only with --input)");
  });

  test("accepts a switch that is off where it would have no effect", () => {
    expect(resolveSettings(table, { overwrite: false }).overwrite).toBe(false);
  });
});

test("a condition on a fact that is not known yet rules nothing out", () => {
  const settings = resolveSettings(table, { input: "f", share: 1 });
  expect(() => refuseWithoutEffect(table, settings, { isText: true })).not.toThrow();
  expect(() => refuseWithoutEffect(table, settings, { isText: false })).toThrow("No effect here: --share");
});

test("an adapter method fills in and checks its own settings", () => {
  expect(resolveRun({ model: "m", method: "adalora", rank: 5 }).adaloraInitRank).toBe(8);
  expect(resolveRun({ model: "m", method: "lora", rank: 5 }).adaloraInitRank).toBeUndefined();
  expect(() => resolveRun({ model: "m", method: "adalora", rank: 5, adaloraInitRank: 4 })).toThrow("is below --rank 5");
});
