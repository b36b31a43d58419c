import { spawn } from "node:child_process";
import { once } from "node:events";
import { cpSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, test, vi } from "vitest";
import { generate } from "../../../src/app/commands/models/generate.js";
import { printable } from "../../../src/base/messages.js";
import { inject, loraConfig, savedTensors, writeAdapter } from "../../../src/models/adapters/index.js";
import { loadModel } from "../../../src/models/index.js";
import type { GenerateSettings } from "../../../src/tasks/config/index.js";
import { loadTokenizer } from "../../../src/text/index.js";
import * as torch from "../../../src/torch/index.js";
import type { GeneratedRow } from "../../../src/use/inference/textGenerator.js";
import { openGenerator } from "../../use/inference/openGenerator.js";
import { bidora, fresh, GOLDEN, jsonl, predicted } from "../support.js";

const LLAMA = join(GOLDEN, "generation", "llama");
const BIN = fileURLToPath(new URL("../../../bin/bidora.js", import.meta.url));
const FLOAT32 = { model: LLAMA, dtype: "float32" } as const;

interface Golden {
  readonly prompts: readonly { readonly text: string }[];
  readonly cases: readonly {
    readonly model: string;
    readonly case: string;
    readonly rows: readonly { readonly tokens: readonly number[]; readonly text: string }[];
  }[];
}
const golden = JSON.parse(readFileSync(join(GOLDEN, "generation", "golden.json"), "utf8")) as Golden;
const prompts = golden.prompts.map(({ text }) => text);
const rowsOf = (wanted: string) =>
  golden.cases.find((entry) => entry.model === "llama" && entry.case === wanted)?.rows ?? [];

async function generated(settings: GenerateSettings): Promise<GeneratedRow[]> {
  const rows: GeneratedRow[] = [];
  for await (const row of generate({ ...FLOAT32, ...settings })) rows.push(row);
  return rows;
}

const parsed = (lines: string) =>
  lines
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as GeneratedRow);
const readLines = (path: string) => parsed(readFileSync(path, "utf8"));

/** The model with a chat template. */
function chatModel(): string {
  const folder = fresh("chat-model");
  cpSync(LLAMA, folder, { recursive: true });
  const turns = "{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}";
  writeFileSync(join(folder, "chat_template.jinja"), `${turns}{% if add_generation_prompt %}assistant: {% endif %}`);
  return folder;
}

const MODEL = ["generate", "--model", LLAMA, "--dtype", "float32"];

describe("bidora generate", () => {
  test("a prompt prints the generated text, or with --json the whole result", async () => {
    const { status, stdout, stderr } = await bidora(
      ...MODEL,
      "--prompt",
      prompts[1] as string,
      "--max-new-tokens",
      "24",
      "--json",
    );
    expect([status, stderr]).toEqual([0, ""]);
    expect(JSON.parse(stdout)).toEqual({ prompt: prompts[1], ...rowsOf("greedy")[1], finish: "length" });
  });

  test("prompts of a file give the same texts in a file and on stdout, at any batch size", async () => {
    const input = jsonl(...prompts.map((prompt) => ({ prompt, completion: "not looked at" })));
    const output = fresh("generated.jsonl");
    const wanted = rowsOf("beams-2").map((row, i) => ({ prompt: prompts[i], ...row }));
    const asked = ["--input", input, "--beams", "2", "--max-new-tokens", "24"];
    const written = await bidora(...MODEL, ...asked, "--batch-size", "4", "--output", output);
    expect([written.status, written.stderr, written.stdout]).toEqual([0, "", `6 rows in ${output}\n`]);
    expect(readLines(output).map(({ finish: _, ...row }) => row)).toEqual(wanted);
    const printed = await bidora(...MODEL, ...asked, "--json");
    expect(parsed(printed.stdout)).toEqual(readLines(output));
    expect((await bidora(...MODEL, ...asked, "--output", output)).stderr).toContain("--overwrite");
  });

  test.each([
    [[], "--prompt"],
    [["--prompt", "a", "--chat"], "--prompt and --chat are mutually exclusive"],
    [["--prompt", "a", "--greedy", "--top-p", "0.5"], "--top-p"],
    [["--prompt", "a", "--greedy", "--beams", "2"], "--beams"],
    [["--prompt", "a", "--seed", "1"], "--seed (applies only with --temperature"],
    [["--prompt", "a", "--length-penalty", "2"], "--length-penalty (applies only with --beams)"],
    [["--prompt", "a", "--beams", "1", "--early-stopping=never"], "--early-stopping (applies only with --beams)"],
    [["--prompt", "a", "--merge"], "--merge (applies only with --adapter)"],
    [["--prompt", "a", "--output", "x"], "--output (applies only with --input)"],
    [["--prompt", "a", "--batch-size", "2"], "--batch-size (applies only with --input)"],
    [["--prompt", "a", "--system", "x"], "--system (applies only with --chat)"],
    [["--chat", "--json"], "--json (applies only without --chat)"],
    [["--prompt", "a", "--temperature", "0"], "--temperature takes a number above 0"],
    [["--prompt", "a", "--no-repeat-ngram", "x"], "--no-repeat-ngram takes"],
  ])("%j is wrong usage", async (argv, message) => {
    const { status, stderr } = await bidora(...MODEL, ...argv);
    expect(stderr).toContain(message);
    expect([status, stderr.trimEnd().split("\n").length]).toEqual([2, 1]);
  });

  test.each([
    [["--prompt", "the ".repeat(99)], /Prompt 1 has \d+ tokens.*96 positions/],
    [["--prompt", "a", "--max-new-tokens", "96"], /Prompt 1 has 1 tokens.*96 new ones.*96 positions/],
    [["--input", jsonl({ prompt: "a" }, { prompt: "" })], /rows.jsonl line 2 has no tokens/],
    [
      ["--input", jsonl({ prompt: "a" }, { prompt: "b".repeat(200) })],
      /rows.jsonl line 2 has 200 tokens.*96 positions/,
    ],
    [["--input", jsonl({ messages: [{ role: "user", content: "a" }] })], /chat template/],
    [["--input", jsonl({ sentence: "a" })], /line 1: expected messages/],
  ])("%j is refused in one sentence", async (argv, message) => {
    const output = fresh("none.jsonl");
    const { status, stderr } = await bidora(...MODEL, ...argv, ...(argv[0] === "--input" ? ["--output", output] : []));
    expect(stderr).toMatch(message);
    expect([status, stderr.trimEnd().split("\n").length, existsSync(output)]).toEqual([1, 1, false]);
  });

  test("a model without a language-model head is refused", async () => {
    const { status, stderr } = await bidora("generate", "--model", join(GOLDEN, "bert", "single"), "--prompt", "a");
    expect([status, stderr.trimEnd().split("\n").length]).toEqual([1, 1]);
    expect(stderr).toContain("causal-lm");
  });
});

describe("generate", () => {
  const input = jsonl(...prompts.map((prompt) => ({ prompt })));

  test("samples the same tokens from the same seed at any batch size, and others from another seed", async () => {
    const drawn = { input, temperature: 1.3, topK: 0, maxNewTokens: 12 };
    const rows = await generated({ ...drawn, seed: 7 });
    expect(await generated({ ...drawn, seed: 7, batchSize: 4 })).toEqual(rows);
    expect(await generated({ ...drawn, seed: 8 })).not.toEqual(rows);
    const twice = await generated({ ...drawn, input: jsonl({ prompt: "one" }, { prompt: "one" }) });
    expect(twice[0]?.tokens).not.toEqual(twice[1]?.tokens);
  });

  test("stops at a stop string, and at a special token given as one", async () => {
    const [plain] = await generated({ prompt: prompts[1] as string, maxNewTokens: 24 });
    const { text, tokens } = plain as GeneratedRow;
    const stop = [...text].slice(5, 8).join("");
    const [stopped] = await generated({ prompt: prompts[1] as string, maxNewTokens: 24, stop: ["<start>", stop] });
    expect(stopped).toMatchObject({ text: text.slice(0, text.indexOf(stop)), finish: "stop" });
    expect(tokens.slice(0, stopped?.tokens.length)).toEqual(stopped?.tokens);
    expect(stopped?.tokens.length).toBeLessThan(24);
  });

  test("an adapter changes the output, and gives the same one merged and unmerged", async () => {
    const generator = new torch.Generator(3);
    const options = { head: { className: "ForCausalLM" }, outputs: 0, dtype: "float32", generator } as const;
    const { model } = await loadModel(LLAMA, options);
    const config = loraConfig({ rank: 2, alpha: 8, targetModules: ["q_proj", "up_proj"] });
    const adapted = inject(model, config, { generator });
    for (const { tensor } of adapted.trained) torch.noGrad(() => torch.normal_(tensor, 0, 0.3, { generator }));
    const adapter = fresh("adapter");
    mkdirSync(adapter);
    writeAdapter(adapter, {
      config,
      tensors: savedTensors(adapted),
      taskType: "CAUSAL_LM",
      baseModel: LLAMA,
      revision: undefined,
      metadata: undefined,
    });
    const asked = { prompt: prompts[1] as string, maxNewTokens: 24, model: undefined, adapter };
    const [unmerged] = await generated(asked);
    expect(unmerged?.tokens).not.toEqual(rowsOf("greedy")[1]?.tokens);
    expect(await generated({ ...asked, merge: true })).toEqual([unmerged]);
  });

  test("a conversation is rendered by the chat template; an abort signal ends it", async () => {
    const model = chatModel();
    const messages = [{ role: "user", content: "one two" }] as const;
    const generator = await openGenerator({ ...FLOAT32, model, maxNewTokens: 9 });
    const rows: GeneratedRow[] = [];
    for await (const row of generator.rows([messages, "user: one two\nassistant: "])) rows.push(row);
    expect(rows[0]).toEqual(rows[1]);
    expect(rows[0]?.prompt).toBe("user: one two\nassistant: ");
    const controller = new AbortController();
    const pieces = generator.stream(messages, { signal: controller.signal });
    await pieces.next();
    controller.abort();
    await expect(pieces.next()).rejects.toBe(controller.signal.reason);
  });
});

test("predict generates from prompts, and from conversations without their last answer", async () => {
  const rows = await predicted({
    ...FLOAT32,
    input: jsonl(...prompts.map((prompt) => ({ prompt }))),
    maxNewTokens: 24,
  });
  expect(rows).toEqual(rowsOf("greedy"));
  const model = chatModel();
  const turn = (role: string, content: string) => ({ role, content });
  const asked = [turn("system", "x"), turn("user", "one")];
  const input = jsonl({ messages: asked }, { messages: [...asked, turn("assistant", "two")] });
  const [a, b] = await predicted({ ...FLOAT32, model, input, maxNewTokens: 5 });
  expect(a).toEqual(b);
});

describe("bidora generate --chat", () => {
  const start = (...argv: string[]) => startOn(chatModel(), ...argv);
  const startOn = (model: string, ...argv: string[]) => {
    const base = ["generate", "--model", model, "--dtype", "float32", "--chat"];
    const child = spawn(process.execPath, [BIN, ...base, ...argv]);
    const printed = { stdout: "", stderr: "" };
    child.stdout.on("data", (text) => (printed.stdout += text));
    child.stderr.on("data", (text) => (printed.stderr += text));
    return { child, printed, ended: once(child, "exit") };
  };

  test("answers line by line, with the earlier messages as context", async () => {
    const { child, printed, ended } = start("--max-new-tokens", "6", "--system", "be brief");
    child.stdin.end("one\n\ntwo\n");
    expect(await ended).toEqual([0, null]);
    expect(printed.stderr).toBe("");
    const generator = await openGenerator({ ...FLOAT32, model: chatModel(), maxNewTokens: 6 });
    const said: { role: "system" | "user" | "assistant"; content: string }[] = [
      { role: "system", content: "be brief" },
    ];
    let wanted = "";
    for (const content of ["one", "two"]) {
      said.push({ role: "user", content });
      let answer = "";
      for await (const { text } of generator.stream(said)) answer += text;
      said.push({ role: "assistant", content: answer });
      wanted += `${answer}\n`;
    }
    expect(printed.stdout).toBe(printable(wanted));
  });

  /** What the model says to each of these in turn. */
  async function answers(model: string, contents: readonly string[]): Promise<string> {
    const generator = await openGenerator({ ...FLOAT32, model, maxNewTokens: 6 });
    const said: { role: "user" | "assistant"; content: string }[] = [];
    let printed = "";
    for (const content of contents) {
      said.push({ role: "user", content });
      let answer = "";
      for await (const { text } of generator.stream(said, { stream: said.length })) answer += text;
      said.push({ role: "assistant", content: answer });
      printed += `${answer}\n`;
    }
    return printable(printed);
  }

  test("a message longer than the context is refused with its length, and left out of the conversation", async () => {
    const { child, printed, ended } = start("--max-new-tokens", "6");
    child.stdin.end(`one\n${"b".repeat(200)}\ntwo\n`);
    expect(await ended).toEqual([0, null]);
    expect(printed.stdout).toBe(await answers(chatModel(), ["one", "two"]));
    const [, length, left] = /^bidora: Your message has (\d+) tokens; (\d+) are left in this conversation/.exec(
      printed.stderr,
    ) as RegExpExecArray;
    expect(printed.stderr.trimEnd().split("\n")).toHaveLength(1);
    const tokenizer = await loadTokenizer(LLAMA);
    const tokens = async (text: string) => (await tokenizer.tokensOf([text]))[0]!.ids.length;
    expect(Number(length)).toBe(await tokens("b".repeat(200)));
    const first = await answers(chatModel(), ["one"]);
    const around = await tokens(`user: one\nassistant: ${first}user: \nassistant: `);
    expect(Number(left)).toBe(96 - 6 - around);
  });

  test("accepts a message of exactly the length reported as left, and none longer", async () => {
    const { child, printed, ended } = start("--max-new-tokens", "6");
    child.stdin.end(`${"b".repeat(200)}\n`);
    await ended;
    const left = Number(/; (\d+) are left/.exec(printed.stderr)?.[1]);
    const second = start("--max-new-tokens", "6");
    second.child.stdin.end(`${"b".repeat(left + 1)}\n${"b".repeat(left)}\n`);
    await second.ended;
    expect(second.printed.stderr).toContain(`has ${left + 1} tokens; ${left} are left`);
    expect(second.printed.stderr.trimEnd().split("\n")).toHaveLength(1);
    expect(second.printed.stdout.endsWith("\n")).toBe(true);
  });

  test("a message that the template rejects is left out of the conversation", async () => {
    const model = chatModel();
    const check =
      "{% for m in messages %}{% if m.content == 'bad' %}{{ raise_exception('say something nice') }}{% endif %}{% endfor %}";
    const template = join(model, "chat_template.jinja");
    writeFileSync(template, check + readFileSync(template, "utf8"));
    const { child, printed, ended } = startOn(model, "--max-new-tokens", "6");
    child.stdin.end("one\nbad\ntwo\n");
    expect(await ended).toEqual([0, null]);
    expect(printed.stderr).toMatch(
      /^bidora: Your message: the chat template cannot render the conversation: the template says: say something nice\.\n$/,
    );
    expect(printed.stdout).toBe(await answers(chatModel(), ["one", "two"]));
  });

  test("a --system message that the template rejects is refused at the start", async () => {
    const model = chatModel();
    const template = join(model, "chat_template.jinja");
    const check = "{% if messages[0].role == 'system' %}{{ raise_exception('no system role') }}{% endif %}";
    writeFileSync(template, check + readFileSync(template, "utf8"));
    const { child, printed, ended } = startOn(model, "--system", "be brief");
    expect(await ended).toEqual([1, null]);
    expect(printed.stderr).toBe(
      "bidora: A conversation with this --system: the chat template cannot render the conversation: the template says: no system role.\n",
    );
    child.stdin.destroy();
  });

  test("a --max-new-tokens that fills the context is named in the error", async () => {
    const { child, printed, ended } = start("--max-new-tokens", "1000");
    child.stdin.end("one\n");
    expect(await ended).toEqual([0, null]);
    expect(printed.stderr).toMatch(
      /^bidora: Your message has \d+ tokens, which leaves no room for 1000 new ones \(--max-new-tokens\)/,
    );
  });

  test("a model without a chat template is refused at the start", async () => {
    const { child, printed, ended } = startOn(LLAMA);
    expect(await ended).toEqual([1, null]);
    expect([printed.stdout, printed.stderr]).toEqual([
      "",
      expect.stringMatching(/^bidora: Messages need a chat template, but the tokenizer has none/),
    ]);
    child.stdin.destroy();
  });

  test("Ctrl-C while no answer is generated exits with 130", async () => {
    const { child, printed, ended } = start("--max-new-tokens", "2");
    child.stdin.write("one\n");
    await vi.waitUntil(() => printed.stdout.endsWith("\n"), { timeout: 20_000 });
    await new Promise((resolve) => setTimeout(resolve, 200));
    child.kill("SIGINT");
    expect(await ended).toEqual([130, null]);
  });
});
