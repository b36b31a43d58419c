// Templates rendered by transformers, then limits and errors, which Jinja does not have.
import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { Template, TemplateError } from "../src/index.js";

interface Golden {
  readonly tokens: Readonly<Record<string, string>>;
  readonly messages: readonly Readonly<Record<string, unknown>>[];
  /** The text is null where transformers fails, or where this interpreter is known to refuse. */
  readonly snippets: readonly { readonly template: string; readonly text: string | null }[];
}

const golden: Golden = JSON.parse(readFileSync(new URL("golden/snippets.json", import.meta.url), "utf8"));

/** The variables that transformers passes to a template. */
const variables = {
  ...golden.tokens,
  messages: golden.messages,
  tools: null,
  documents: null,
  add_generation_prompt: false,
};

describe("small templates", () => {
  it.each(golden.snippets)("render as in Jinja: $template", ({ template, text }) => {
    let rendered: string | null = null;
    try {
      rendered = new Template(template).render(variables).text;
    } catch (error) {
      expect(error).toBeInstanceOf(TemplateError);
    }
    expect(rendered).toBe(text);
  });
});

describe("a template", () => {
  const rendering = (template: string) => () => new Template(template).render({ messages: [{ content: "a" }] });

  it.each([
    [
      "loops too long",
      "{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}",
      "it takes more than 2000000 steps",
    ],
    [
      "recurses without end",
      "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
      "it recurses too deeply or writes too much",
    ],
    [
      "doubles a string too often",
      "{% set ns = namespace(t='aaaaaaaa') %}{% for i in range(40) %}{% set ns.t = ns.t ~ ns.t %}{% endfor %}",
      "it builds a string of more than 67108864 characters",
    ],
    [
      "writes too much",
      "{% set ns = namespace(t='ab') %}{% for i in range(22) %}{% set ns.t = ns.t ~ ns.t %}{% endfor %}{% for i in range(99) %}{{ ns.t }}{% endfor %}",
      "it writes more than 67108864 characters",
    ],
    [
      "marks a generation inside a variable",
      "{% set x %}{% generation %}a{% endgeneration %}{% endset %}",
      "{% generation %} is inside a macro or variable",
    ],
    [
      "reads an item of a test",
      "{{ 4 is divisibleby(2)[0] }}",
      "an item or attribute of a filter or test needs parentheses around the filter or test",
    ],
    [
      "reads an item of a filter",
      "{{ 'b' | join(',')[0] }}",
      "an item or attribute of a filter or test needs parentheses around the filter or test",
    ],
    ["raises an exception", "{{ raise_exception('Only cats.') }}", "the template says: Only cats"],
    ["looks for a list among keys", "{{ [1] in messages[0] }}", "it looks for a list among a dict's keys"],
    ["reads a JavaScript property", "{{ messages.__proto__ }}", 'it reads "__proto__", which is forbidden'],
    ["sets a private attribute", "{% set ns = namespace() %}{% set ns._x = 1 %}", 'it sets "_x", which is forbidden'],
    ["uses an unknown filter", "{{ 1 | constructor }}", 'unknown filter "constructor"'],
    ["uses an unknown test", "{{ 1 is toString }}", 'unknown test "toString"'],
    ["formats an unknown date", "{{ strftime_now('%Q') }}", 'strftime_now() does not support "%Q"'],
  ])("that %s is refused", (_, template, message) => {
    expect(rendering(template)).toThrow(new TemplateError(message));
  });

  it.each([
    ["{% if true %}", "syntax error (a block or bracket is not closed)"],
    ["{% include 'x' %}", "syntax error (Unknown statement type: include)"],
    ["{{ 1 ; 2 }}", 'it has ";" in a block'],
    ["{% raw %}x", "{% raw %} is not closed"],
    ["{{ (1] }}", "it has ] without its opening bracket"],
    ["{{ 1 < 2 < 3 }}", "chained comparisons are not supported"],
  ])("with the syntax error %s is refused before it is rendered", (source, message) => {
    expect(() => new Template(source)).toThrow(new TemplateError(message));
  });

  it("formats the time as Python's strftime does", () => {
    const template = new Template("{{ strftime_now('%d %b %Y, %A %B %y %H:%M:%S %I %p %a %m %%') }}");
    const now = new Date(2026, 2, 5, 15, 4, 9);
    expect(template.render({}, { now }).text).toBe("05 Mar 2026, Thursday March 26 15:04:09 03 PM Thu 03 %");
  });

  it("returns the spans of its generation blocks", () => {
    const source = "😀{% for m in messages %}{% generation %}[{{ m }}]{% endgeneration %},{% endfor %}";
    const template = new Template(source);
    expect(template.marksGeneration).toBe(true);
    expect(template.render({ messages: ["a", "bc"] })).toEqual({
      text: "😀[a],[bc],",
      generated: [
        [2, 5],
        [6, 10],
      ],
    });
    expect(new Template("{{ generation }}").marksGeneration).toBe(false);
  });
});

describe("variables", () => {
  const shown = (value: unknown): string => new Template("{{ [v] }}").render({ v: value }).text;

  it.each<[unknown, string]>([
    [1, "[1]"],
    [1.5, "[1.5]"],
    [2 ** 60, "[1.152921504606847e+18]"],
    [10n ** 20n, "[100000000000000000000]"],
    [true, "[True]"],
    [null, "[None]"],
    [undefined, "[Undefined]"],
    [{ a: "b", c: undefined }, "[{'a': 'b'}]"],
    [new Map<unknown, unknown>([[1, [2]]]), "[{1: [2]}]"],
    [JSON.parse('{"__proto__": 1}'), "[{'__proto__': 1}]"],
  ])("are Python's values: %s", (value, text) => {
    expect(shown(value)).toBe(text);
  });

  it("of other classes are refused", () => {
    expect(() => shown(new Date())).toThrow(
      new TypeError("v must be a string, number, boolean, null, array, Map or plain object."),
    );
    expect(() => shown([{ f: () => 1 }])).toThrow("v[0].f must be a string");
  });
});
