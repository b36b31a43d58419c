import { readFileSync } from "node:fs";
import { describe, expect, it, vi } from "vitest";
import * as torch from "../../src/torch/index.js";
import { native } from "../../src/torch/native/native.js";
import { expectClose, type Nested, nested } from "./nested.js";
import { CASES } from "./operatorCases.js";

// The addon's functions are methods of `native`, which calls are counted of, once it is loaded.
native.engineFacts();

function shown(result: torch.Tensor | readonly torch.Tensor[] | number | boolean): Nested {
  if (result instanceof torch.Tensor) return nested(result);
  return Array.isArray(result) ? result.map(nested) : (result as number | boolean);
}

describe("operators", () => {
  it.each(torch.OPERATORS)("%s", (name) => {
    const run = CASES[name];
    expect(run, `no case in operatorCases.ts for ${name}`).toBeDefined();
    const call = vi.spyOn(native, "call");
    const calls = torch.scope(() => {
      const [actual, expected] = run();
      const operators = call.mock.calls.map(([operator]) => operator);
      call.mockRestore();
      expectClose(shown(actual), expected);
      return operators;
    });
    expect(calls).toContain(torch.OPERATORS.indexOf(name));
  });

  // One generated file serves every libtorch: arguments are passed by place.
  it.each(torch.OPERATORS)("%s takes its arguments in the order that its function passes them", (name) => {
    const loaded = native.operatorSchema(name).arguments;
    const passed = argumentNames(name);
    expect(loaded.slice(0, passed.length).map((argument) => argument.name)).toEqual(passed);
    expect(loaded.slice(passed.length).every((argument) => argument.hasDefault)).toBe(true);
  });
});

const generated = readFileSync(new URL("../../src/torch/generated/operators.ts", import.meta.url), "utf8");

/** From the schema that the generated file states. */
function argumentNames(operator: string): string[] {
  const start = generated.indexOf(`/** \`${operator}(`) + operator.length + 6;
  const list = generated.slice(start, generated.indexOf(") -> ", start));
  const words = list.split(", ").filter((argument) => argument !== "*");
  return words.map((argument) => argument.replace(/=.*/, "").split(" ").at(-1) ?? "");
}
