// --chat-template: a template of the user's own, which the result keeps and which is used with it.
import { cpSync, existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { load } from "../../../src/app/commands/models/load.js";
import { freshPath } from "../../support/workFolder.js";
import { openServer, withTemplate } from "../../use/server/openServer.js";
import { ROWS, toolModel } from "../../use/server/toolModels.js";
import { bidora } from "../support.js";

const rows = `${freshPath("calls")}.jsonl`;
writeFileSync(rows, ROWS.map((row) => `${JSON.stringify(row)}\n`).join(""));
/** Its template ignores tools. */
const base = withTemplate(undefined, "plain");
const template = join(toolModel("hermes", "with-tools"), "chat_template.jinja");
const train = ["--model", base, "--task", "causal-lm", "--train", rows, "--train-on", "assistant"];
const one = ["--method", "lora", "--max-steps", "1", "--max-length", "90"];

test("rows with tools are refused with a template that ignores them, and nothing is written", async () => {
  const output = freshPath("refused");
  const { status, stderr } = await bidora("finetune", ...train, ...one, "--output", output);
  expect([stderr, status, existsSync(output)]).toEqual([expect.stringContaining("it ignores tools"), 1, false]);
  expect(stderr).toContain(`${rows} line 1: the chat template cannot render the conversation: it ignores tools`);
  expect(stderr).toContain("--chat-template FILE");
});

test("preview shows calls as trained tokens", async () => {
  const { status, stdout } = await bidora("preview", ...train, "--chat-template", template, "--json");
  expect(status).toBe(0);
  expect(stdout).toContain('<tool_call>\\n{\\"name\\": \\"get_weather\\"');
});

test("an adapter keeps the template, which is used with it", async () => {
  const output = freshPath("calls");
  const { status, stderr } = await bidora(
    ...["finetune", ...train, ...one, "--chat-template", template, "--output", output],
  );
  expect([stderr, status]).toEqual([expect.anything(), 0]);
  const own = readFileSync(template, "utf8");
  expect(readFileSync(join(output, "chat_template.jinja"), "utf8")).toBe(own);
  const model = await load({ adapter: output });
  expect(model.tokenizer.chatTemplateText).toBe(own);
  model.dispose();
  const other = await load({ adapter: output, chatTemplate: join(base, "chat_template.jinja") });
  expect(other.tokenizer.chatTemplateText).not.toBe(own);
  other.dispose();
  const merged = freshPath("merged");
  expect((await bidora("merge", "--model", base, "--adapter", output, "--output", merged)).status).toBe(0);
  expect(readFileSync(join(merged, "chat_template.jinja"), "utf8")).toBe(own);
  const onnx = freshPath("onnx");
  expect((await bidora("export", "--adapter", output, "--to", "onnx", "--output", onnx)).status).toBe(0);
  expect(readFileSync(join(onnx, "chat_template.jinja"), "utf8")).toBe(own);
  expect(JSON.parse(readFileSync(join(onnx, "tokenizer_config.json"), "utf8")).chat_template).toContain("tool_call");
  const notes: string[] = [];
  const { client } = await openServer({ model: base, adapter: [output] }, (note) => notes.push(note));
  expect(notes.filter((note) => note.includes("chat template"))).toEqual([]);
  const { choices } = await client.chat.completions.create({
    ...{ model: output.split("/").at(-1)!, max_tokens: 1, tools: ROWS[0]!.tools },
    messages: [{ role: "user", content: "w" }],
  });
  expect(choices).toHaveLength(1);
});

test("an adapter's own template goes before the base's named ones; a GGUF LoRA, which has no place for it, says so", async () => {
  const [named, output, onnx, lora] = ["named", "own", "onnx", "lora"].map(freshPath) as [
    string,
    string,
    string,
    string,
  ];
  cpSync(base, named, { recursive: true });
  rmSync(join(named, "chat_template.jinja"));
  const settings = join(named, "tokenizer_config.json");
  const chat_template = [{ name: "default", template: "a" }];
  const given = existsSync(settings) ? JSON.parse(readFileSync(settings, "utf8")) : {};
  writeFileSync(settings, JSON.stringify({ ...given, chat_template }));
  const training = ["--model", named, ...train.slice(2), ...one, "--chat-template", template, "--output", output];
  expect((await bidora("finetune", ...training)).status).toBe(0);
  const exported = (to: string, path: string) => bidora("export", "--adapter", output, "--to", to, "--output", path);
  expect((await exported("onnx", onnx)).status).toBe(0);
  const written = JSON.parse(readFileSync(join(onnx, "tokenizer_config.json"), "utf8"));
  expect(written.chat_template).toBe(readFileSync(template, "utf8"));
  expect((await exported("peft-lora", lora)).status).toBe(0);
  const model = await load({ adapter: lora });
  expect(model.tokenizer.chatTemplateText).toBe(readFileSync(template, "utf8"));
  model.dispose();
  const gguf = await exported("gguf-lora", `${freshPath("lora")}.gguf`);
  expect([gguf.stderr, gguf.status]).toEqual([expect.anything(), 0]);
  expect(`${gguf.stdout}${gguf.stderr}`).toContain("--chat-template-file");
});

test("a run that continues an adapter has its template, unless the user gives another one", async () => {
  const [first, second, other] = ["first", "second", "other"].map((name) => freshPath(name)) as [
    string,
    string,
    string,
  ];
  const continuing = [...train, "--max-steps", "1", "--max-length", "90", "--adapter", first];
  const own = readFileSync(template, "utf8");
  expect((await bidora("finetune", ...train, ...one, "--chat-template", template, "--output", first)).status).toBe(0);
  expect((await bidora("preview", ...continuing, "--json")).stdout).toContain("<tool_call>");
  expect((await bidora("finetune", ...continuing, "--output", second)).status).toBe(0);
  expect(readFileSync(join(second, "chat_template.jinja"), "utf8")).toBe(own);
  const changed = `${freshPath("changed")}.jinja`;
  writeFileSync(changed, `{# other #}${own}`);
  expect((await bidora("finetune", ...continuing, "--chat-template", changed, "--output", other)).status).toBe(0);
  expect(readFileSync(join(other, "chat_template.jinja"), "utf8")).toBe(`{# other #}${own}`);
});

test("it is refused where it has no effect, and where there is no such file", async () => {
  const absent = await bidora("preview", ...train, "--chat-template", "/nowhere.jinja");
  expect([absent.status, absent.stderr]).toEqual([1, expect.stringContaining("Cannot read /nowhere.jinja")]);
  const classes = `${freshPath("classes")}.jsonl`;
  writeFileSync(classes, '{"text": "a", "label": "b"}\n{"text": "c", "label": "d"}\n');
  const task = ["--task", "sequence-classification", "--train", classes];
  const useless = await bidora("preview", "--model", base, ...task, "--chat-template", template);
  expect(useless.stderr).toContain("No effect: --chat-template is for language models");
});
