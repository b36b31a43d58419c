// Small languages: chat templates, patterns for modules, run files.
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { fullMatch, groupAt, isPattern } from "../../../src/base/patterns.js";
import { readSpec } from "../../../src/studies/comparison/spec/spec.js";
import { readRunFile, settle } from "../../../src/tasks/config/index.js";
import { ChatTemplate } from "../../../src/text/chatTemplate.js";
import { GOLDEN, golden, placed, ROOT } from "../files.js";
import { latin1, mutatedText } from "../mutations.js";
import { target } from "../target.js";

const TEMPLATES = readdirSync(join(GOLDEN, "chat/templates"))
  .filter((name) => name.endsWith(".jinja"))
  .map((name) => golden(`chat/templates/${name}`));

const piece = fc.constantFrom(
  ...[
    "{{ ",
    " }}",
    "{% ",
    " %}",
    "{%- ",
    " -%}",
    "{#",
    "#}",
    "for m in messages",
    "endfor",
    "if ",
    "endif",
    "else",
    "elif x",
  ],
  ...[
    "set x = ",
    "endset",
    "macro f(a, b=1)",
    "endmacro",
    "call f()",
    "endcall",
    "filter upper",
    "endfilter",
    "generation",
    "endgeneration",
  ],
  ...[
    "messages",
    "m.content",
    "m['role']",
    "loop.index",
    "x",
    "ns",
    "namespace(a=1)",
    "range(10)",
    "range(1000000000)",
    "range(3, -9, -1)",
  ],
  ...[
    "[1, 2]",
    "(1,)",
    "{'a': 1}",
    "'text'",
    '"\\u00e9"',
    "1",
    "0",
    "-1",
    "2.5",
    "1e308",
    "9".repeat(30),
    "true",
    "none",
    "undefined",
  ],
  ...[
    " + ",
    " - ",
    " * ",
    " ** ",
    " / ",
    " // ",
    " % ",
    " ~ ",
    " and ",
    " or ",
    "not ",
    " in ",
    " is ",
    " == ",
    " < ",
    " if x else y",
  ],
  ...[
    "|length",
    "|tojson(indent=2)",
    "|join(',')",
    "|map(attribute='role')",
    "|list",
    "|trim",
    "|replace('a', 'b')",
    "|int",
    "|sort",
    "|batch(2)",
  ],
  ...[
    "|selectattr('role')",
    "|default('x')",
    "|items",
    "|first",
    "|last",
    "|round(99)",
    "|center(1000000000)",
    "|indent(999999999)",
    "|format(1)",
  ],
  ...[
    ".split(' ')",
    ".strip()",
    ".format(1)",
    "[::-1]",
    "[0:99]",
    "[-1]",
    ".items()",
    ".__class__",
    ".append(1)",
    "('a' * 1000000000)",
  ],
  ...[
    "raise_exception('x')",
    "strftime_now('%Y-%Q')",
    "break",
    "continue",
    "recursive",
    "loop(m)",
    "lipsum()",
    "cycler(1)",
    "joiner()",
    "dict(a=1)",
  ],
  ...[
    "(",
    ")",
    "[",
    "]",
    ",",
    ":",
    "|",
    ".",
    "\n",
    " ",
    "'",
    '"',
    "{{",
    "%}",
    "is defined",
    "is string",
    "is divisibleby(0)",
    "1 // 0",
    "'%s' % x",
  ],
);

const CONVERSATION = [
  { role: "system", content: "Be brief." },
  { role: "user", content: "Hi" },
  { role: "assistant", content: "<think>x</think>Hello", reasoning_content: "x" },
  { role: "user", content: [{ type: "text", text: "Bye" }] },
] as const;

const templates = target({
  name: "chat template",
  inTests: 30,
  inputs: fc.oneof(
    mutatedText(TEMPLATES),
    fc.array(piece, { maxLength: 25 }).map((pieces) => pieces.join("")),
    fc
      .tuple(
        fc.constantFrom(...TEMPLATES),
        fc.array(piece, { minLength: 1, maxLength: 6 }),
        fc.double({ min: 0, max: 1, noNaN: true }),
      )
      .map(([base, pieces, where]) => {
        const at = Math.floor(where * base.length);
        return base.slice(0, at) + pieces.join("") + base.slice(at);
      }),
    fc.tuple(piece, fc.integer({ min: 100, max: 20_000 })).map(([text, count]) => `{{ ${text.repeat(count)}`),
  ),
  run(source) {
    const text = Buffer.from(source, "latin1").toString();
    const template = new ChatTemplate(text, new Map([["bos_token", "<s>"]]));
    for (const addGenerationPrompt of [true, false]) template.render(CONVERSATION, { addGenerationPrompt });
  },
});

const expression = fc.letrec<{ node: string }>((tie) => ({
  node: fc.oneof(
    { maxDepth: 6 },
    fc.constantFrom(
      "a",
      ".",
      "\\.",
      "[a-z.]",
      "\\w",
      "\\d+",
      "query",
      "^",
      "$",
      "\\b",
      "é",
      "[^a]",
      "\\1",
      "(?i)",
      "",
      "\\p{L}",
      "[",
      "\\Q",
      "😀",
      "\\x",
    ),
    fc.tuple(tie("node"), tie("node")).map(([a, b]) => a + b),
    fc.tuple(tie("node"), tie("node")).map(([a, b]) => `(${a}|${b})`),
    fc
      .tuple(
        tie("node"),
        fc.constantFrom("*", "+", "?", "*?", "{2,}", "{0,40}", "{1000}", "{2,1}", "++", "*+", "{999999999}"),
      )
      .map(([a, b]) => `(${a})${b}`),
    fc
      .tuple(
        fc.constantFrom("(?:", "(?=", "(?!", "(?<=", "(?<!", "(?P<n>", "(?<n>", "(?>", "(?P=n)", "(?#"),
        tie("node"),
      )
      .map(([open, a]) => `${open}${a})`),
  ),
})).node;

const PATHS = [
  "bert.encoder.layer.11.attention.self.query",
  "model.layers.0.mlp.down_proj",
  `${"a.".repeat(200)}query`,
  "",
  "é😀",
];

const patterns = target({
  name: "pattern",
  inTests: 30,
  inputs: fc.oneof(
    expression,
    fc.string({ maxLength: 30 }),
    fc.tuple(expression, fc.integer({ min: 2, max: 400 })).map(([a, n]) => a.repeat(n).slice(0, 20_000)),
  ),
  run(source) {
    isPattern(source);
    for (const path of PATHS) {
      fullMatch(source, path);
      groupAt(source, path, "n");
    }
  },
});

const EXAMPLES = readdirSync(join(ROOT, "examples"), { recursive: true, encoding: "utf8" })
  .filter((name) => name.endsWith(".yaml") && !name.startsWith("cluster"))
  .map((name) => latin1(readFileSync(join(ROOT, "examples", name))));

const yamlPiece = fc.constantFrom(
  ...[
    "model: x\n",
    "task: causal-lm\n",
    "rank: 8\n",
    "epochs: 1e999\n",
    "&a ",
    "*a",
    "!!js/function x",
    "!!binary x",
    "<<: *a\n",
    "- ",
    "? ",
    ": ",
  ],
  ...[
    "|\n  x\n",
    ">-\n",
    "---\n",
    "...\n",
    "%YAML 1.1\n",
    "{a: ",
    "[",
    "]",
    "}",
    "\t",
    "#",
    '"\\u',
    "'",
    "0o17",
    "0x1F",
    ".nan",
    ".inf",
    "-.inf",
    "~",
    "2026-01-01",
  ],
  ...[
    "textColumns: [a, b]\n",
    "labelColumns: a\n",
    "lora: &a [*a]\n",
    "a: &a [1,1]\nb: &b [*a,*a]\nc: &c [*b,*b]\n",
    "__proto__: 1\n",
    "constructor: x\n",
  ],
);

const yaml = target({
  name: "yaml",
  inTests: 30,
  inputs: fc.oneof(
    mutatedText(EXAMPLES),
    fc.array(yamlPiece, { maxLength: 12 }).map((pieces) => pieces.join("")),
  ),
  run(text) {
    const path = join(placed({ "run.yaml": text }), "run.yaml");
    if (/^(methods|seeds|tasks):/m.test(text)) readSpec({}, path);
    else settle({ flags: {}, file: readRunFile(path) });
  },
});

export const textTargets = [templates, patterns, yaml];
