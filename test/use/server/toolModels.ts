// Models that call tools: with a small template in the form of Hermes, or of another model.
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { finetune } from "../../../src/app/commands/finetune.js";
import { freshPath } from "../../support/workFolder.js";
import { roomy } from "./jsonModels.js";

/** How each form's template writes a call. */
const CALLS = {
  hermes:
    '<tool_call>\n{"name": "{{ c.function.name }}", "arguments": {{ c.function.arguments | tojson }}}\n</tool_call>',
  llama: '{"name": "{{ c.function.name }}", "parameters": {{ c.function.arguments | tojson }}}{# <|python_tag|> #}',
  mistral: "[TOOL_CALLS]{{ c.function.name }}[ARGS]{{ c.function.arguments | tojson }}",
};

/** A small random model with 2048 positions whose template has tools. */
export function toolModel(form: keyof typeof CALLS = "hermes", name = "caller"): string {
  const folder = roomy(name);
  const template = `{%- if tools %}{% for t in tools %}{{ t.function.name }} {% endfor %}{% endif %}
{%- for m in messages %}[{{ m.role }}]{{ m.content }}{% for c in m.tool_calls or [] %}${CALLS[form]}{% endfor %}<end>{% endfor %}
{%- if add_generation_prompt %}[assistant]{% endif %}`;
  writeFileSync(join(folder, "chat_template.jinja"), template);
  return folder;
}

export const WEATHER = {
  type: "function" as const,
  function: {
    name: "get_weather",
    description: "The weather of a place.",
    parameters: {
      type: "object",
      properties: { city: { type: "string", maxLength: 8 }, unit: { enum: ["C", "F"] } },
      required: ["city", "unit"],
    },
  },
};
export const ADD = {
  type: "function" as const,
  function: {
    name: "add",
    parameters: {
      type: "object",
      properties: { a: { $ref: "#/$defs/n" }, b: { $ref: "#/$defs/n" } },
      required: ["a", "b"],
      $defs: { n: { type: "integer", minimum: 0, maximum: 99 } },
    },
  },
};

const call = (name: string, given: object) => ({
  role: "assistant",
  tool_calls: [{ type: "function", id: "c1", function: { name, arguments: given } }],
});
const user = (content: string) => ({ role: "user", content });

/** What the trained model answers: two calls, and a text once it has a result. */
export const ROWS = [
  { tools: [WEATHER, ADD], messages: [user("w"), call("get_weather", { city: "Bern", unit: "C" })] },
  {
    tools: [WEATHER, ADD],
    messages: [
      user("s"),
      call("add", { a: 1, b: 2 }),
      { role: "tool", tool_call_id: "c1", content: "3" },
      { role: "assistant", content: "It is 3." },
    ],
  },
  { tools: [WEATHER, ADD], messages: [user("h"), { role: "assistant", content: "Hello." }] },
];

/** Trains the model until it knows the rows by heart. */
export async function trainedCaller(form: keyof typeof CALLS = "hermes"): Promise<string> {
  const train = `${freshPath("rows")}.jsonl`;
  writeFileSync(train, ROWS.map((row) => `${JSON.stringify(row)}\n`).join(""));
  const output = freshPath("trained");
  await finetune({
    ...{ model: toolModel(form), task: "causal-lm", train, trainOn: "assistant", method: "full", output },
    ...{ maxSteps: 300, batchSize: 3, learningRate: 0.02, schedule: "constant", warmupRatio: 0, dtype: "float32" },
  } as Parameters<typeof finetune>[0]);
  return output;
}
