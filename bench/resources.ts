// `npm run bench -- resources`: the memory and the tokens per second of training, by the size of the model, how its weights are held, and
// the method. Each run is the command line's, in a process of its own. `--docs` puts the table into docs/resources.md.
import { spawnSync } from "node:child_process";
import { copyFileSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { quickstartChatModel } from "../src/app/quickstart/models.js";
import { resolveModel } from "../src/formats/resolveModel.js";
import { writeSafetensors } from "../src/formats/safetensors/safetensors.js";
import { architectureOf, buildModel } from "../src/models/index.js";
import { TASKS } from "../src/tasks/index.js";
import * as torch from "../src/torch/index.js";
import { machine } from "./machine.js";
import { ROOT, unpinEnvironment } from "./programs.js";
import { seeded } from "./setup/chatRows.js";
import { scratchFolder } from "./setup/scratch.js";
import { median } from "./turns/compare.js";

const { values } = parseArgs({
  options: {
    models: { type: "string", default: "135m,1.1b,7b" },
    formats: { type: "string", default: "bfloat16,nf4" },
    methods: { type: "string" },
    steps: { type: "string" },
    rows: { type: "string", default: "4" },
    tokens: { type: "string", default: "128" },
    quick: { type: "boolean", default: false },
    docs: { type: "boolean", default: false },
    folder: { type: "string" },
    output: { type: "string", default: join(ROOT, "bench", "results", "resources") },
  },
});

interface Shape {
  readonly layers: number;
  readonly hidden: number;
  readonly heads: number;
  readonly keyHeads: number;
  readonly intermediate: number;
  readonly vocabulary: number;
  readonly isTied: boolean;
}

/** SmolLM2-135M, TinyLlama-1.1B with SmolLM2's vocabulary, and Llama-2-7B. */
const SHAPES: Readonly<Record<string, Shape>> = {
  "135m": { layers: 30, hidden: 576, heads: 9, keyHeads: 3, intermediate: 1536, vocabulary: 49152, isTied: true },
  "1.1b": { layers: 22, hidden: 2048, heads: 32, keyHeads: 4, intermediate: 5632, vocabulary: 49152, isTied: false },
  "7b": { layers: 32, hidden: 4096, heads: 32, keyHeads: 32, intermediate: 11008, vocabulary: 32000, isTied: false },
};

/** What is measured with a model. */
interface Row {
  readonly format: string;
  readonly method: string;
  readonly isCheckpointed?: boolean;
}

/** Formats in which the weights of a 7-billion model fit in 6 GB. */
const LARGE_FORMATS = ["nf4", "q4_0"];
/** The method that is measured with gradient checkpointing as well, in nf4. */
const CHECKPOINTED: Readonly<Record<string, string>> = { "1.1b": "bidora", "7b": "lora" };

/** Ten steps show whether the memory of a model that hardly fits stays the same. */
const stepsOf = (name: string): string => values.steps ?? (name === "7b" ? "10" : "6");

function rowsOf(name: string): readonly Row[] {
  const isLarge = name === "7b";
  const formats = values.formats.split(",").filter((format) => !isLarge || LARGE_FORMATS.includes(format));
  const methods = values.methods?.split(",") ?? (isLarge ? ["lora"] : ["lora", "dora", "bidora"]);
  const rows = formats.flatMap((format) => methods.map((method): Row => ({ format, method })));
  const isTwice = ({ format, method }: Row) => format === "nf4" && method === CHECKPOINTED[name];
  return rows.flatMap((row) => (isTwice(row) ? [row, { ...row, isCheckpointed: true }] : [row]));
}

interface Outcome {
  readonly peakMemoryBytes: number;
  readonly secondsPerStep: number;
  readonly tokensPerSecond: number;
  readonly seconds: number;
}

function configOf({ layers, hidden, heads, keyHeads, intermediate, vocabulary, isTied }: Shape) {
  return {
    model_type: "llama",
    architectures: ["LlamaForCausalLM"],
    vocab_size: vocabulary,
    hidden_size: hidden,
    intermediate_size: intermediate,
    num_hidden_layers: layers,
    num_attention_heads: heads,
    num_key_value_heads: keyHeads,
    max_position_embeddings: 2048,
    rms_norm_eps: 1e-5,
    rope_theta: 10000,
    tie_word_embeddings: isTied,
    bos_token_id: 1,
    eos_token_id: 2,
  };
}

/** A model folder with random weights in bfloat16, the same in all matrices of a shape. */
function writeModel(folder: string, shape: Shape, tokenizer: string): string {
  if (existsSync(join(folder, "model.safetensors"))) return folder;
  mkdirSync(folder, { recursive: true });
  const config = configOf(shape);
  writeFileSync(join(folder, "config.json"), JSON.stringify(config));
  for (const name of ["tokenizer.json", "tokenizer_config.json"])
    copyFileSync(join(tokenizer, name), join(folder, name));
  const model = buildModel(architectureOf(config), config, TASKS["causal-lm"].head, 0);
  const generator = new torch.Generator(0);
  const drawn = new Map<string, torch.Tensor>();
  const draw = (of: readonly number[]) => {
    const found = drawn.get(String(of)) ?? torch.ones([...of], { dtype: "bfloat16" });
    if (of.length > 1 && !drawn.has(String(of))) torch.normal_(found, 0, 0.02, { generator });
    drawn.set(String(of), found);
    return found;
  };
  writeSafetensors(
    join(folder, "model.safetensors"),
    Array.from(model.namedParameters(), ([name, { storedShape }]) => ({
      name,
      dtype: "BF16" as const,
      shape: storedShape,
      byteLength: 2 * torch.numelOf(storedShape),
      write: (descriptor: number, position: number) => torch.writeFile(draw(storedShape), descriptor, position),
    })),
    { format: "pt" },
  );
  for (const tensor of drawn.values()) tensor.dispose();
  return folder;
}

/** Rows of text with about so many tokens each. */
function writeRows(file: string, steps: string): void {
  const random = seeded();
  const words = Number(values.tokens) - 1; // and the end of the text
  const row = () => ({ text: Array.from({ length: words }, () => WORDS[random(0, WORDS.length)]).join(" ") });
  const count = Number(values.rows) * Number(steps) * 4;
  writeFileSync(file, Array.from({ length: count }, () => `${JSON.stringify(row())}\n`).join(""));
}
const WORDS = ["the", "man", "time", "people", "house", "world", "work", "day", "water", "school", "night", "hand"];

function measure(
  model: string,
  steps: string,
  { format, method, isCheckpointed = false }: Row,
  scratch: string,
): Outcome {
  const output = join(scratch, "run");
  rmSync(output, { recursive: true, force: true });
  writeRows(join(scratch, "rows.jsonl"), steps);
  const settings = {
    model,
    task: "causal-lm",
    train: join(scratch, "rows.jsonl"),
    method,
    "base-dtype": format,
    dtype: "bfloat16",
    "max-steps": steps,
    "batch-size": values.rows,
    "max-length": values.tokens,
    ...(method === "bidora" && { "retrain-steps": "0" }),
    ...(isCheckpointed && { "gradient-checkpointing": true }),
    output,
  };
  const flags = Object.entries(settings).flatMap(([name, value]) =>
    value === true ? [`--${name}`] : [`--${name}`, String(value)],
  );
  const started = performance.now();
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    [join(ROOT, "bin", "bidora.js"), "finetune", ...flags, "--json"],
    { encoding: "utf8", maxBuffer: 2 ** 28 },
  );
  if (status !== 0) throw new Error(`${format} ${method} ended with status ${status}: ${stderr}`);
  const events = stdout
    .split("\n")
    .filter((line) => line.startsWith("{"))
    .map((line) => JSON.parse(line));
  const timed = events.filter(({ event }) => event === "step").slice(1);
  const secondsPerStep = median(timed.map(({ seconds }) => seconds));
  return {
    peakMemoryBytes: events.find(({ event }) => event === "done").peakMemoryBytes,
    secondsPerStep,
    tokensPerSecond: median(timed.map(({ tokens, seconds }) => tokens / seconds)),
    seconds: (performance.now() - started) / 1000,
  };
}

const facts = machine(unpinEnvironment());
const scratch = scratchFolder();
const tokenizer = await resolveModel(await quickstartChatModel());
const names = values.quick ? ["135m"] : values.models.split(",");
const lines = [
  `${facts.processor}, ${facts.cores} cores, ${facts.memoryGiB} GiB; ${values.rows} rows of ${values.tokens} tokens a step.`,
  "",
  "| model | weights | method | peak memory | seconds a step | tokens a second | whole run |",
  "|---|---|---|---|---|---|---|",
];
const results: object[] = [];
for (const name of names) {
  const shape = SHAPES[name];
  if (!shape) throw new Error(`--models: expected some of ${Object.keys(SHAPES).join(", ")}, got ${name}`);
  const model = writeModel(join(values.folder ?? scratch, name), shape, tokenizer);
  for (const row of rowsOf(name)) {
    const outcome = measure(model, stepsOf(name), row, scratch);
    const { peakMemoryBytes, secondsPerStep, tokensPerSecond, seconds } = outcome;
    results.push({ model: name, ...row, ...outcome });
    const method = `${row.method}${row.isCheckpointed ? ", `--gradient-checkpointing`" : ""}`;
    lines.push(
      `| ${name} | ${row.format} | ${method} | ${(peakMemoryBytes / 2 ** 20).toFixed(0)} MiB | ${secondsPerStep.toFixed(2)} | ${tokensPerSecond.toFixed(0)} | ${seconds.toFixed(0)} s |`,
    );
    process.stdout.write(`${lines.at(-1)}\n`);
  }
  if (values.folder === undefined) rmSync(model, { recursive: true, force: true });
}
mkdirSync(values.output, { recursive: true });
writeFileSync(join(values.output, "resources.md"), `${lines.join("\n")}\n`);
writeFileSync(join(values.output, "resources.json"), `${JSON.stringify({ machine: facts, results }, null, 2)}\n`);
if (values.docs) writeTable(join(ROOT, "docs", "resources.md"), lines.join("\n"));

/** Replaces the table of a page. */
function writeTable(page: string, table: string): void {
  const [before, after] = readFileSync(page, "utf8").split(/(?<=<!-- measured -->\n).*(?=<!-- end of measured -->)/s);
  writeFileSync(page, `${before}\n${table}\n\n${after}`);
}
