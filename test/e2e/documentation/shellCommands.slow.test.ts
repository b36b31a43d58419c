import { spawn } from "node:child_process";
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { FakeHub } from "../../formats/fakeHub.js";
import { tinyModel } from "../../use/export/gguf/tinyModels.js";
import { BERT, fresh } from "../support.js";

const ROOT = fileURLToPath(new URL("../../../", import.meta.url));
/** README and the pages that it links to, in its order: later ones use what the commands of earlier ones leave. */
const LINKED = Array.from(
  readFileSync(join(ROOT, "README.md"), "utf8").matchAll(/\]\((docs\/[\w/-]+\.md)\)/g),
  ([, page]) => page!,
);
const PAGES = readdirSync(join(ROOT, "docs"), { recursive: true, encoding: "utf8" })
  .filter((name) => name.endsWith(".md"))
  .map((name) => join("docs", name));
const TABLE = LINKED.slice(LINKED.lastIndexOf("docs/start/tickets.md"));
const DOCUMENTS = [...new Set(["README.md", ...TABLE, ...PAGES, "skills/bidora/SKILL.md"])];

/** Commands that are not run here, with the reason. */
const SKIPPED: readonly (readonly [command: RegExp, reason: string])[] = [
  [/^npm (start|run setup)\b/, "sets the machine up and trains for minutes on a real model"],
  [/^git clone /, "has happened"],
  [/^npm install bidora\b/, "is done by npm run test:package"],
  [/^docker /, "is done by npm run test:package, without Docker"],
  [
    /^npx bidora (quickstart|setup)\b/,
    "trains a real model, or compiles: test/e2e/commands/quickstart.test.ts, test/scripts/installedEngine.slow.test.ts",
  ],
  [/^npx bidora serve\b/, "serves until it is stopped: test/e2e/inference/serve.test.ts"],
  [/^npx bidora studio\b/, "serves until it is stopped: test/app/studio"],
  [/^curl /, "asks that server: test/use/server"],
  [/^npm (test|run test:slow)\b/, "is this suite"],
  [/^npm run bench\b/, "measures for minutes to hours"],
  [/^npm run package\b/, "downloads PyTorch's wheel and compiles for minutes: npm run test:package does it"],
  [
    /^npx bidora compare docs\/results\//,
    "trains for minutes to hours: test/studies/comparison/studies.test.ts reads its settings",
  ],
  [
    /^node scripts\/studies\/(flip-labels|make-\w+)\.js|^bash docs\/results\//,
    "needs whole data sets, or trains for minutes: test/scripts/studies.test.ts",
  ],
  [
    /^for seed|^ +npx bidora generate .*\$seed|^done$|^node pairs\.mjs|short-pairs/,
    "takes a model that answers, and minutes",
  ],
  [/^npx bidora evaluate .*--task e2e-nlg/, "needs a language model trained on that data set"],
];

const commandsOf = (document: string): string[] => {
  const blocks = readFileSync(join(ROOT, document), "utf8").matchAll(/^```sh\n([\s\S]*?)^```/gm);
  const lines = [...blocks].flatMap(([, block]) => (block as string).replaceAll("\\\n", " ").split("\n"));
  return lines.filter((line) => line.trim() !== "" && !line.startsWith("#"));
};

const isSkipped = (command: string): boolean => SKIPPED.some(([pattern]) => pattern.test(command));
const COMMANDS = DOCUMENTS.flatMap((document) => commandsOf(document).map((command) => ({ document, command })));

const hub = new FakeHub();
let environment: NodeJS.ProcessEnv;
/** The project of a person who has installed bidora and has the data that the documents speak of. */
const project = fresh("project");

/** A folder with an npx that starts an installed command at once; the real one takes half a second to find it. */
const QUICK_NPX = fresh("npx");

beforeAll(async () => {
  mkdirSync(join(project, "node_modules", ".bin"), { recursive: true });
  symlinkSync(ROOT, join(project, "node_modules", "bidora"));
  symlinkSync("../bidora/bin/bidora.js", join(project, "node_modules", ".bin", "bidora"));
  mkdirSync(QUICK_NPX);
  writeFileSync(join(QUICK_NPX, "npx"), '#!/bin/sh\ncommand=$1; shift\nexec "node_modules/.bin/$command" "$@"\n', {
    mode: 0o755,
  });
  cpSync(join(ROOT, "examples"), join(project, "examples"), { recursive: true });
  writeData();
  writePrograms();
  offerModel();
  offerLanguageModel();
  environment = await givenTo(hub);
});
afterAll(() => hub.stop());

const TEMPLATE =
  "{% for m in messages %}{{ m.role }} : {{ m.content }}{{ eos_token }}{% endfor %}{% if add_generation_prompt %}assistant : {% endif %}";

/** The template in docs/tools.md. */
const TOOLS_TEMPLATE = /```jinja\n([\s\S]*?)```/.exec(readFileSync(join(ROOT, "docs/tools.md"), "utf8"))![1]!;

/** The folder called SMOLLM2: a tiny decoder that knows what conversations look like; QWEN2.5 knows tools too. */
function offerLanguageModel(): void {
  const config = { model_type: "llama", architectures: ["LlamaForCausalLM"], max_position_embeddings: 2048 };
  const folder = tinyModel(join(project, "SMOLLM2"), "smollm", config);
  writeFileSync(join(folder, "chat_template.jinja"), TEMPLATE);
  const tokenizer = join(folder, "tokenizer_config.json");
  const settings = JSON.parse(readFileSync(tokenizer, "utf8"));
  writeFileSync(tokenizer, JSON.stringify({ ...settings, model_max_length: 2048 }));
  cpSync(folder, join(project, "QWEN2.5"), { recursive: true });
  writeFileSync(join(project, "QWEN2.5", "chat_template.jinja"), TOOLS_TEMPLATE);
}

/** The one repository that the commands name, of which the hub gives a tiny bare encoder; and the folder called MODEL. */
function offerModel(): void {
  const model = join(BERT, "no-prefix");
  const named = COMMANDS.map(({ command }) => /--model (?!\S+\.gguf)(\S+\/\S+)/.exec(command)?.[1]);
  const [repository, ...others] = new Set(named.filter((name) => name !== undefined));
  if (repository === undefined || others.length > 0) throw new Error(`One repository is served: ${others} came too.`);
  hub.repo = repository;
  hub.files = Object.fromEntries(
    readdirSync(model).map((name) => [
      name,
      { content: readFileSync(join(model, name)), large: name.endsWith(".safetensors") },
    ]),
  );
  cpSync(model, join(project, "MODEL"), { recursive: true });
}

/** Nothing of this machine's caches and settings, and no network but the hub. */
async function givenTo(server: FakeHub): Promise<NodeJS.ProcessEnv> {
  const kept = Object.entries(process.env).filter(([name]) => !/^(HF_|npm_|XDG_)/.test(name));
  return {
    ...Object.fromEntries(kept),
    HF_ENDPOINT: await server.start(),
    HF_HOME: join(project, ".cache", "huggingface"),
    XDG_CACHE_HOME: join(project, ".cache"),
    npm_config_offline: "true",
    npm_config_update_notifier: "false",
    OMP_NUM_THREADS: "1",
  };
}

const WORDS = "boat harbour storm garden wall apples kitchen table train midnight rain painter".split(" ");
/** A sentence with another one for each number. */
const sentence = (row: number): string => [row, row * 5 + 1, row * 7 + 3].map((word) => WORDS[word % 12]).join(" ");

const preference = (row: number): string =>
  JSON.stringify({ prompt: sentence(row), chosen: sentence(row + 1), rejected: sentence(row + 2) });

function writeData(): void {
  const csv = (rows: number, end = "") =>
    lines("text,label", rows, (row) => `${sentence(row)}${end},${row % 2 ? "good" : "bad"}`);
  const mrpc = (rows: number) =>
    lines("Quality\t#1 ID\t#2 ID\t#1 String\t#2 String", rows, (row) =>
      [row % 2, row, row + 1, sentence(row), sentence(row + 1)].join("\t"),
    );
  for (const [name, content] of Object.entries({
    "train.csv": csv(40),
    "validation.csv": csv(6, " again"),
    "test.csv": csv(7),
    "rows.jsonl": lines("", 5, (row) => JSON.stringify({ text: sentence(row) })).trimStart(),
    "texts.jsonl": lines("", 30, (row) => JSON.stringify({ text: sentence(row + 2) })).trimStart(),
    "pairs.jsonl": lines("", 24, pair).trimStart(),
    "candidates.jsonl": lines("", 24, (row) =>
      JSON.stringify({ query: sentence(row), positive: sentence(row + 1), negatives: [sentence(row + 4)] }),
    ).trimStart(),
    "test-pairs.jsonl": lines("", 6, (row) => pair(row + 3)).trimStart(),
    "preferences.jsonl": lines("", 12, preference).trimStart(),
    "test-preferences.jsonl": lines("", 4, (row) => preference(row + 3)).trimStart(),
    "answers.jsonl": lines("", 3, (row) =>
      JSON.stringify({ prompt: sentence(row), completion: sentence(row + 1) }),
    ).trimStart(),
    "chat.jsonl": lines("", 20, conversation).trimStart(),
    "chat-valid.jsonl": lines("", 5, conversation).trimStart(),
    "calls.jsonl": lines("", 12, called).trimStart(),
    // shorter than the real ones, of which the tiny tokenizer makes a token a character
    "examples/data/plant_shop/train.jsonl": lines("", 12, called).trimStart(),
    "examples/data/plant_shop/held-out.jsonl": lines("", 4, called).trimStart(),
    "tools.jinja": TOOLS_TEMPLATE,
    "prompts.jsonl": lines("", 3, (row) => JSON.stringify({ prompt: sentence(row) })).trimStart(),
    "predictions-of-test.jsonl": lines("", 7, (row) => JSON.stringify({ label: row % 3 ? "good" : "bad" })).trimStart(),
    "compare.yaml":
      "model: MODEL\ntask: glue/mrpc\ndata: glue/MRPC\nmethods: [lora, bidora]\nseeds: [0, 1]\nmaxSteps: 2\nbatchSize: 4\n",
    "glue/MRPC/train.tsv": mrpc(40),
    "glue/MRPC/dev.tsv": mrpc(6),
    "glue/MRPC/test.tsv": lines("index\t#1 ID\t#2 ID\t#1 String\t#2 String", 1, (row) =>
      [row, row, row, sentence(row), sentence(row)].join("\t"),
    ),
  })) {
    mkdirSync(dirname(join(project, name)), { recursive: true });
    writeFileSync(join(project, name), content);
  }
}

/** The programs of the recipes, each below the sentence that begins with its name. */
function writePrograms(): void {
  for (const page of DOCUMENTS.filter((name) => name.startsWith("docs/start/")))
    for (const [, name, program] of readFileSync(join(ROOT, page), "utf8").matchAll(
      /^`(\w+\.mjs)` [^`]*```js\n([\s\S]*?)^```/gm,
    ))
      writeFileSync(join(project, name!), program!);
}

const pair = (row: number): string => JSON.stringify({ anchor: sentence(row), positive: sentence(row + 1) });

function conversation(row: number): string {
  const messages = [
    { role: "user", content: sentence(row) },
    { role: "assistant", content: sentence(row + 1) },
  ];
  return JSON.stringify({ messages });
}

/** A row of docs/tools.md. */
function called(row: number): string {
  const call = { id: "c1", type: "function", function: { name: "f", arguments: {} } };
  const messages = [
    { role: "user", content: `${row}` },
    { role: "assistant", tool_calls: [call] },
    { role: "tool", tool_call_id: "c1", content: "1" },
    { role: "assistant", content: sentence(row + 1) },
  ];
  return JSON.stringify({ tools: [{ type: "function", function: { name: "f" } }], messages });
}

const lines = (head: string, rows: number, row: (index: number) => string): string =>
  [head, ...Array.from({ length: rows }, (_, index) => row(index))].join("\n").concat("\n");

/** Runs one line as a shell does; this process serves the Hub meanwhile. */
function sh(command: string, folders = `${QUICK_NPX}:`): Promise<{ status: number | null; printed: string }> {
  const env = { ...environment, PATH: `${folders}${environment.PATH}` };
  const child = spawn("sh", ["-c", command], { cwd: project, env, stdio: ["ignore", "pipe", "pipe"] });
  let printed = "";
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (text) => (printed += text));
  return new Promise((done) => child.on("close", (status) => done({ status, printed })));
}

/** Starts the route of docs/start/tickets.md. */
async function startRoute() {
  const server = spawn("node", ["server.mjs"], { cwd: project, env: { ...environment, PORT: "0" } });
  const port = await new Promise<string>((found, fail) => {
    server.stdout.on("data", (text) => found(/port (\d+)/.exec(String(text))![1]!));
    server.on("close", () => fail(new Error("The route ended.")));
  });
  const ask = async (body: string) => {
    const response = await fetch(`http://127.0.0.1:${port}/`, { method: "POST", body });
    return [response.status, await response.json()];
  };
  return { ask, stop: () => server.kill() };
}

describe("the commands in the documentation", () => {
  test.each(COMMANDS.filter(({ command }) => !isSkipped(command)))("$document: $command", async ({ command }) => {
    const { status, printed } = await sh(command);
    expect(status, printed).toBe(0);
    const output = /--output (\S+)/.exec(command)?.[1];
    if (output) expect(existsSync(join(project, output)), `${output} is there`).toBe(true);
  });

  test("the route of the recipe for tickets answers, and refuses what is no list of texts", async () => {
    const { ask, stop } = await startRoute();
    try {
      expect(await ask('["I was charged twice"]')).toEqual([
        200,
        [{ team: expect.any(String), score: expect.any(Number) }],
      ]);
      for (const bad of ["[", "{}", "[1]", "[]"]) expect((await ask(bad))[0], bad).toBe(400);
    } finally {
      stop();
    }
  });

  test("npx finds the installed command", async () => {
    expect(await sh("npx bidora --version", "")).toEqual({
      status: 0,
      printed: expect.stringMatching(/^\d+\.\d+\.\d+\n$/),
    });
  });

  test("the model was downloaded from the Hub once", () => {
    expect(hub.downloads("model.safetensors")).toHaveLength(1);
  });

  test("every skipped command is in the documentation", () => {
    for (const [pattern] of SKIPPED)
      expect(COMMANDS.map(({ command }) => command).join("\n")).toMatch(new RegExp(pattern, "m"));
  });
});
