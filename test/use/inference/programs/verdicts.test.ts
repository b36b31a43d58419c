// Verdicts of other programs on adapters of every method and on models of every family.
import { cpSync, mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { basename, dirname, join } from "node:path";
import { describe, expect, test } from "vitest";
import { inspect, renderInspection } from "../../../../src/app/commands/models/inspect.js";
import { HINTED_COMMAND } from "../../../../src/base/installation.js";
import { architectureFor } from "../../../../src/formats/gguf/architectures.js";
import { loraConfig } from "../../../../src/models/adapters/index.js";
import { ARCHITECTURES } from "../../../../src/models/index.js";
import { causalLm } from "../../../../src/tasks/causalLm.js";
import { TASKS } from "../../../../src/tasks/index.js";
import { ENGINE_NAMES, type EngineName, type EngineVerdict } from "../../../../src/use/inference/programs/judge.js";
import { WITHOUT_CLASS } from "../../../../src/use/inference/programs/transformersJs.js";
import { bidora } from "../../../e2e/support.js";
import { GOLDEN, readJson } from "../../../parity/goldenFiles.js";
import { freshPath } from "../../../support/workFolder.js";
import { tinyAdapter, tinyModel } from "../../export/gguf/tinyModels.js";
import { adapterOf, LLAMA } from "./adapters.js";

const BERT = join(GOLDEN, "bert");

async function verdicts(path: string, model?: string): Promise<Readonly<Record<EngineName, EngineVerdict>>> {
  const { engines = [] } = await inspect({ path, model, for: ENGINE_NAMES });
  expect(engines.map(({ engine }) => engine)).toEqual(ENGINE_NAMES);
  return Object.fromEntries(engines.map((verdict) => [verdict.engine, verdict])) as never;
}

const on = async (engine: EngineName, path: string, model?: string) => (await verdicts(path, model))[engine];

function copyOf(path: string, change: object = {}): string {
  const folder = freshPath("copy");
  cpSync(path, folder, { recursive: true });
  const file = join(folder, "adapter_config.json");
  writeFileSync(file, JSON.stringify({ ...readJson<object>(file), ...change }));
  return folder;
}

test("an adapter that was trained with another chat template loses it in a GGUF file of its own", async () => {
  const path = await adapterOf("lora");
  const templateNotes = async () =>
    (await on("llama.cpp", path)).notes.filter((note) => note.includes("the chat template that it was trained with"));
  expect(await templateNotes()).toEqual([]);
  writeFileSync(join(path, "bidora.json"), JSON.stringify({ formatVersion: 1, method: "lora", chatTemplate: true }));
  expect(await templateNotes()).toHaveLength(1);
});

describe("an adapter that LoftQ started", () => {
  test("in PEFT is for PEFT, which quantizes its base", async () => {
    const found = await verdicts(copyOf(await adapterOf("lora"), { init_lora_weights: "loftq" }));
    expect([found.peft.takes, found.vllm.takes, found.ollama.takes]).toEqual(["yes", "no", "no"]);
    const why = "LoftQ started it in PEFT, which quantized its base: on other weights its answers would be wrong.";
    for (const engine of ["vllm", "llama.cpp", "ollama"] as const) expect(found[engine].reasons).toContain(why);
  });

  const started = async (baseDtype: string) => {
    const path = await adapterOf("lora");
    const metadata = { formatVersion: 1, method: "lora", baseDtype, initLoraWeights: "loftq" };
    writeFileSync(join(path, "bidora.json"), JSON.stringify(metadata));
    return path;
  };

  test("is merged for programs that hold the base otherwise", async () => {
    const path = await started("nf4");
    const found = await verdicts(path);
    expect(ENGINE_NAMES.map((engine) => found[engine].takes)).toEqual(["no", "no", "no", "no", "yes"]);
    const why = "LoftQ started it on a base packed as nf4: on other weights its answers would be wrong.";
    for (const engine of ["vllm", "llama.cpp", "ollama"] as const) {
      expect(found[engine].reasons).toContain(why);
      expect(found[engine].commands[0]).toMatch(/ (merge|export --to gguf) --adapter /);
    }
    expect(found.ollama.notes).toEqual([]);
    expect(found.peft.commands[0]).toContain(
      `${JSON.stringify(LLAMA)}, quantization_config=BitsAndBytesConfig(load_in_4bit=True, bnb_4bit_quant_type="nf4"))`,
    );
    expect(renderInspection(await inspect({ path }))).toContain("nf4, whose rounding the updates make up for (LoftQ)");
  });

  test("is loaded by PEFT in formats that bitsandbytes has", async () => {
    expect((await on("peft", await started("int8"))).commands[0]).toContain("BitsAndBytesConfig(load_in_8bit=True)");
    const { takes, commands } = await on("peft", await started("q8_0"));
    expect([takes, commands.length]).toEqual(["no", 1]);
    expect(commands[0]).toContain(" merge --adapter ");
  });
});

describe("an adapter whose start took a part out of the base", () => {
  test("is for PEFT as it is, for llama.cpp by export, and not for vLLM, which would add it to the base as it is", async () => {
    for (const start of ["pissa", "olora"]) {
      const path = copyOf(await adapterOf("lora", { rank: 8, alpha: 16 }), { init_lora_weights: start });
      const found = await verdicts(path);
      expect([found.peft.takes, found.vllm.takes]).toEqual(["yes", "no"]);
      expect(found.vllm.reasons[0]).toContain("this adapter's start has taken a part out of it");
      expect(found.vllm.commands[0]).toContain(" merge --adapter ");
      expect(found["llama.cpp"].commands[0]).toContain("export --to gguf-lora");
      expect(renderInspection(await inspect({ path }))).toMatch(new RegExp(`start +${start}`));
    }
    const turned = copyOf(await adapterOf("lora"), { init_lora_weights: "olora", fan_in_fan_out: true });
    const { takes, commands } = await on("peft", turned);
    expect([takes, commands[0]]).toEqual(["no", expect.stringContaining("export --to peft-lora")]);
  });
});

test("HiRA of Gemma 3's embeddings is merged for PEFT, which does not scale their change", async () => {
  const settings = { targetModules: ["embed_tokens"] };
  const base = join(GOLDEN, "gemma3_text", "lm");
  const scaled = await on("peft", await adapterOf("hira", settings, { base, task: causalLm, taskType: "CAUSAL_LM" }));
  expect([scaled.takes, scaled.commands[0]]).toEqual(["no", expect.stringContaining(" merge --adapter ")]);
  expect((await on("peft", await adapterOf("hira", settings))).takes).toBe("yes");
});

describe("a plain LoRA of a language model", () => {
  const adapter = () => adapterOf("lora", { rank: 8, alpha: 16 });

  test("is served by vLLM and loaded by PEFT as it is; the others take what bidora exports", async () => {
    const path = await adapter();
    const found = await verdicts(path);
    expect(ENGINE_NAMES.map((engine) => found[engine].takes)).toEqual(["no", "yes", "no", "unknown", "yes"]);
    expect(found.vllm.commands).toEqual([`vllm serve ${LLAMA} --enable-lora --lora-modules ${basename(path)}=${path}`]);
    expect(found.vllm.notes[1]).toContain("serves the bare base model without an error");
    expect(found.peft.notes).toEqual(["It needs PEFT 0.12.0 or newer."]);
    expect(found["transformers.js"].commands).toEqual([
      `${HINTED_COMMAND} export --to onnx --adapter ${path} --output ${basename(path)}-onnx`,
    ]);
  });

  test("becomes what llama.cpp and Ollama read by the commands as they are printed", async () => {
    const llama = { model_type: "llama", architectures: ["LlamaForCausalLM"], tie_word_embeddings: false };
    const model = tinyModel(join(freshPath("models"), "lm"), "smollm", llama);
    const path = await tinyAdapter(freshPath("lora"), model, loraConfig({ targetModules: ["q_proj"] }));
    const found = await verdicts(path, model);
    const folder = freshPath("out");
    const files: string[] = [];
    for (const command of [...found["llama.cpp"].commands, ...found.ollama.commands]) {
      if (!command.startsWith(HINTED_COMMAND)) continue;
      const words = command.slice(HINTED_COMMAND.length + 1).split(" ");
      const output = join(folder, words.at(-1)!);
      expect(await bidora(...words.slice(0, -1), output), command).toMatchObject({ status: 0 });
      files.push(basename(output));
    }
    const name = basename(path);
    expect(files).toEqual([`${name}-lora.gguf`, "lm.gguf", `${name}.gguf`]);
    expect(found["llama.cpp"].commands.at(-1)).toBe(`llama-cli -m lm.gguf --lora ${name}-lora.gguf`);
    expect(found.ollama.commands.at(-1)).toBe(`ollama create ${name} -f ${name}.Modelfile`);
    expect(readFileSync(join(folder, `${name}.Modelfile`), "utf8")).toContain(`FROM ./${name}.gguf`);
  });

  test("of a large rank needs a limit of vLLM's list, up to the largest", async () => {
    const ranked = async (rank: number, alpha: number) => on("vllm", await adapterOf("lora", { rank, alpha }));
    expect((await ranked(16, 16)).commands[0]).not.toContain("--max-lora-rank");
    expect((await ranked(17, 16)).commands[0]).toContain("--max-lora-rank 32 ");
    expect((await ranked(300, 16)).commands[0]).toContain("--max-lora-rank 320 ");
    const above = await ranked(513, 16);
    expect([above.takes, above.reasons]).toEqual(["no", ["It takes ranks up to 512, and the largest here is 513."]]);
  });

  test("with another scale for some modules is scaled wrongly by vLLM, and by Ollama and llama.cpp's converter", async () => {
    const patterns = await verdicts(await adapterOf("lora", { alphaPattern: { q_proj: 4 } }));
    expect(patterns.vllm.takes).toBe("no");
    expect(patterns.vllm.reasons[0]).toMatch(/ignores rank_pattern and alpha_pattern without an error/);
    expect(patterns.vllm.commands.at(-1)).toMatch(/^vllm serve \S*lora-merged$/);
    expect(patterns.ollama.reasons).toEqual([expect.stringContaining("ignores use_rslora and alpha_pattern")]);
    expect(patterns["llama.cpp"].notes).toEqual([expect.stringContaining("would scale it wrongly")]);
    const ranks = await on("vllm", await adapterOf("lora", { rankPattern: { q_proj: 4 } }));
    expect(ranks.takes).toBe("no");
    // Both patterns together give the same scale: alpha / r = 2.
    const alike = { rankPattern: { q_proj: 4 }, alphaPattern: { q_proj: 8 } };
    expect((await on("vllm", await adapterOf("lora", alike))).takes).toBe("yes");
    expect((await on("vllm", await adapterOf("lora", { rslora: true }))).takes).toBe("yes");
  });

  test("with trained modules, biases, or LoRA on the embeddings is not served by vLLM as it is", async () => {
    const whole = await on("vllm", await adapterOf("lora", { modulesToSave: ["lm_head"] }));
    expect(whole.reasons).toEqual(["It refuses modules_to_save, which are lm_head here."]);
    const biases = await on("vllm", await adapterOf("lora", { bias: "adapted" }));
    expect(biases.reasons).toEqual(["It refuses trained biases."]);
    const ownBias = await on("vllm", await adapterOf("lora", { loraBias: true }));
    expect(ownBias.reasons).toEqual(["It refuses trained biases."]);
    const tables = await on("vllm", join(GOLDEN, "llama/adapters/lm-lora-tables"), LLAMA);
    expect(tables.takes).toBe("unknown");
    expect(tables.reasons[0]).toMatch(/LoRA on .*embed_tokens.* only where the model's class lists them/);
  });
});

test.each([
  ["dora", {}, ["It refuses DoRA."], "0.12.0"],
  ["vera", { rank: 4 }, ["It serves LoRA only, and this adapter is of the method vera."], "0.12.0"],
  ["oft", { rank: 2 }, ["It serves LoRA only, and this adapter is of the method oft."], "0.18.0"],
  ["ia3", {}, ["It serves LoRA only, and this adapter is of the method ia3."], "0.12.0"],
  ["adalora", {}, ["It serves LoRA only, and this adapter is of the method adalora."], "0.12.0"],
  ["miss", { rank: 4 }, ["It serves LoRA only, and this adapter is of the method miss."], "0.17.0"],
  ["delora", { rank: 4 }, ["It serves LoRA only, and this adapter is of the method delora."], "0.18.0"],
  ["hira", { rank: 4 }, ["It serves LoRA only, and this adapter is of the method hira."], "0.20.0"],
] as const)("%s: PEFT loads it, vLLM takes it merged, llama.cpp as a LoRA", async (method, settings, why, version) => {
  const path = await adapterOf(method, settings);
  const { vllm, peft, ollama, "llama.cpp": llamaCpp } = await verdicts(path);
  expect([vllm.takes, vllm.reasons]).toEqual(["no", why]);
  expect(vllm.commands).toEqual([
    `${HINTED_COMMAND} merge --adapter ${path} --output ${basename(path)}-merged`,
    `vllm serve ${basename(path)}-merged`,
  ]);
  expect([peft.takes, peft.notes]).toEqual(["yes", [`It needs PEFT ${version} or newer.`]]);
  const isExact = method === "miss" || method === "delora";
  expect(llamaCpp.notes).toEqual([expect.stringMatching(isExact ? /without loss\.$/ : /approximated by a LoRA/)]);
  expect([ollama.takes, ollama.reasons]).toEqual(["no", [expect.stringContaining(`of the method ${method}`)]]);
});

test("what PEFT cannot hold is merged; a bottleneck adapter only runs in bidora and as an ONNX graph", async () => {
  const magnitudes = await on("peft", await adapterOf("dora", { axis: "in" }));
  expect([magnitudes.takes, magnitudes.reasons]).toEqual(["no", ["PEFT has no magnitudes along in."]]);
  expect(magnitudes.commands[0]).toContain("bidora merge --adapter ");

  const biases = await verdicts(await adapterOf("lora", { bias: "all", loraBias: false }));
  expect(biases["llama.cpp"].commands[0]).toContain("export --to gguf --adapter");
  expect(biases["llama.cpp"].reasons[1]).toMatch(/has to be merged/);

  const bottleneck = await verdicts(await adapterOf("adapter", { targetModules: ["o_proj", "down_proj"] }));
  expect(ENGINE_NAMES.map((engine) => bottleneck[engine].takes)).toEqual(["no", "no", "no", "no", "no"]);
  expect(bottleneck.peft.commands).toEqual([]);
  expect(bottleneck.vllm.commands).toEqual([]);
  expect(bottleneck["llama.cpp"]).toMatchObject({
    reasons: ["No GGUF file can hold a bottleneck adapter."],
    commands: [],
  });
  expect(bottleneck["transformers.js"].commands[0]).toContain("export --to onnx");
});

test.each([
  ["exclude_modules", { exclude_modules: ["o_proj"] }, "0.14.0"],
  ["the keys of an old file", {}, "0.3.0"],
  ["the keys of an old file with DoRA", { use_dora: true }, "0.9.0"],
  ["the keys of an old file with use_rslora", { use_rslora: true }, "0.8.0"],
  ["the keys of an old file with rank_pattern", { rank_pattern: { q_proj: 8 } }, "0.6.0"],
])("PEFT's first version that reads %s", async (_, change: Readonly<Record<string, unknown>>, version) => {
  const path = await adapterOf(change.use_dora ? "dora" : "lora");
  const file = join(path, "adapter_config.json");
  const { exclude_modules: __, peft_version: ___, ...old } = readJson<Record<string, unknown>>(file);
  writeFileSync(file, JSON.stringify({ ...old, ...change }));
  expect((await on("peft", path)).notes).toEqual([`It needs PEFT ${version} or newer.`]);
});

test.each([
  ["dora", "0.13.0"],
  ["lora", "0.12.0"],
])("%s on an embedding needs PEFT %s", async (method, version) => {
  const { notes } = await on("peft", join(BERT, `adapters/${method}-embedding`));
  expect(notes[0]).toBe(`It needs PEFT ${version} or newer.`);
});

test("PEFT's task type of an adapter has the meaning that the base model's head gives it", async () => {
  const notesOn = async (name: string, base: string) =>
    (await on("transformers.js", join(BERT, "adapters", name), join(BERT, base))).notes;
  expect(await notesOn("regression-lora", "regression")).toEqual([expect.stringContaining("softmax")]);
  expect(await notesOn("lora", "single")).toEqual([]);
});

test("a new head's number of labels is part of PEFT's command", async () => {
  const path = copyOf(join(BERT, "adapters/lora"));
  const labels = ["a", "b", "c"];
  const metadata = { formatVersion: 1, method: "lora", task: "sequence-classification", labels };
  writeFileSync(join(path, "bidora.json"), JSON.stringify(metadata));
  const base = freshPath("base");
  cpSync(join(BERT, "single"), base, { recursive: true });
  const { id2label: _, label2id: __, ...unlabeled } = readJson<Record<string, unknown>>(join(base, "config.json"));
  writeFileSync(join(base, "config.json"), JSON.stringify(unlabeled));
  const { notes, commands } = await on("peft", path, base);
  expect(notes[1]).toMatch(/loaded with num_labels=3/);
  expect(commands[0]).toContain("AutoModelForSequenceClassification.from_pretrained(");
  expect(commands[0]).toContain(", num_labels=3)");
});

test("an adapter whose base model is not here is judged as far as its own files say, and no model is downloaded", async () => {
  const path = copyOf(await adapterOf("lora"), { base_model_name_or_path: "nobody/has-this" });
  const found = await verdicts(path);
  expect(ENGINE_NAMES.map((engine) => found[engine].takes)).toEqual(["no", "unknown", "no", "unknown", "yes"]);
  expect(found.vllm.reasons).toEqual([expect.stringContaining("base model nobody/has-this is not on this machine")]);
  expect(found["transformers.js"].notes).toEqual([
    expect.stringContaining("Whether it has a class for the model is not known"),
  ]);
  const named = await verdicts(path, LLAMA);
  expect(named.vllm.takes).toBe("yes");
  expect(named["transformers.js"].commands[0]).toContain(`export --to onnx --model ${LLAMA} --adapter`);
  await expect(verdicts(path, "nobody/has-this")).rejects.toThrow(/not in the cache/);
  const dora = await on("vllm", copyOf(path, { use_dora: true }));
  expect(dora.takes).toBe("unknown");
});

test("an adapter that bidora can't read is unknown to all", async () => {
  const path = copyOf(await adapterOf("lora"), { peft_type: "BOFT" });
  const found = await inspect({ path, for: ENGINE_NAMES });
  expect(found.engines!.map(({ takes }) => takes)).toEqual(Array(5).fill("unknown"));
  expect(renderInspection(found)).toMatch(/Refused: .*peft_type is "BOFT"/);
});

// Which classes transformers.js has, from its own source.
const REGISTRY = readFileSync(
  join(dirname(createRequire(import.meta.url).resolve("@huggingface/transformers")), "../src/models/registry.js"),
  "utf8",
);
const MAPPINGS = {
  single: ["ForSequenceClassification", "SEQUENCE_CLASSIFICATION"],
  tokens: ["ForTokenClassification", "TOKEN_CLASSIFICATION"],
  questions: ["ForQuestionAnswering", "QUESTION_ANSWERING"],
  lm: ["ForCausalLM", "CAUSAL_LM"],
} as const;

const typesIn = (mapping: string): string[] => {
  const start = REGISTRY.indexOf(`MODEL_FOR_${mapping}_MAPPING_NAMES = new Map([`);
  expect(start).toBeGreaterThan(0);
  const text = REGISTRY.slice(start, REGISTRY.indexOf("]);", start));
  return Array.from(text.matchAll(/\['([\w-]+)', '\w+'\]/g), ([, type]) => type as string);
};

test.each(Object.values(MAPPINGS))(
  "transformers.js has classes %s for the families that the table says",
  (suffix, mapping) => {
    const types = typesIn(mapping);
    const decoders = Object.keys(ARCHITECTURES).filter((type) => typesIn("CAUSAL_LM").includes(type));
    const families = suffix === "ForCausalLM" ? decoders : Object.keys(ARCHITECTURES);
    const lacking = families.filter((type) => !types.includes(type));
    expect([...(WITHOUT_CLASS[suffix] ?? [])].sort()).toEqual(lacking.sort());
  },
);

const FAMILIES = Object.keys(ARCHITECTURES);

describe.each(Object.keys(MAPPINGS) as (keyof typeof MAPPINGS)[])("models with a head: %s", (head) => {
  const families = FAMILIES.filter((family) => {
    try {
      return readFileSync(join(GOLDEN, family, head, "config.json")).length > 0;
    } catch {
      return false;
    }
  });

  test.each(families)("%s", async (family) => {
    const path = join(GOLDEN, family, head);
    const found = await verdicts(path);
    const [suffix] = MAPPINGS[head];
    const hasClass = !WITHOUT_CLASS[suffix]?.includes(family);
    expect(found["transformers.js"].takes).toBe("no");
    expect(found["transformers.js"].commands.length).toBe(hasClass ? 1 : 0);
    const isWritten = head === "lm" && architectureFor(family) !== undefined;
    expect(found["llama.cpp"].commands.some((command) => command.includes("--to gguf"))).toBe(isWritten);
    expect(found.ollama.commands.length > 0).toBe(isWritten || (head === "lm" && ["gpt2", "phi3"].includes(family)));
    expect(found.vllm.takes).toBe(vllmTakes(head, family));
    expect(found.peft.takes).toBe("no");
  });
});

function vllmTakes(head: keyof typeof MAPPINGS, family: string): string {
  const served: readonly string[] = {
    lm: FAMILIES,
    single: ["bert", "roberta", "xlm-roberta", "gpt2", "qwen2", "qwen3"],
    tokens: ["bert", "modernbert", "qwen3"],
    questions: [],
  }[head];
  return head === "questions" ? "no" : served.includes(family) ? "yes" : "unknown";
}

test("a model of sentence-transformers makes embeddings in vLLM, and exported in llama.cpp and Ollama", async () => {
  const path = join(GOLDEN, "embeddings/bert-mean");
  const found = await verdicts(path);
  expect(found.vllm.commands).toEqual([`vllm serve ${path} --runner pooling`]);
  expect(found["transformers.js"].notes).toEqual([
    expect.stringContaining("pools and normalizes only as each call says"),
  ]);
  const exporting = `${HINTED_COMMAND} export --to gguf --model ${path} --output bert-mean.gguf`;
  expect(found["llama.cpp"].takes).toBe("no");
  expect(found["llama.cpp"].commands).toEqual([exporting, "llama-server --embeddings -m bert-mean.gguf"]);
  expect(found["llama.cpp"].notes).toEqual([expect.stringMatching(/--embd-normalize.*knows no prompts/)]);
  expect(found.ollama.commands).toEqual([exporting, "ollama create bert-mean -f bert-mean.Modelfile"]);
  expect(found.ollama.notes).toEqual([expect.stringMatching(/always normalizes/)]);
});

test("embeddings of a family that llama.cpp does not run stay with other programs", async () => {
  const path = freshPath("mpnet");
  cpSync(join(GOLDEN, "mpnet/single"), path, { recursive: true });
  cpSync(join(GOLDEN, "embeddings/bert-mean/modules.json"), join(path, "modules.json"));
  const json = readJson<object>(join(path, "config.json"));
  writeFileSync(join(path, "config.json"), JSON.stringify({ ...json, architectures: ["MPNetModel"] }));
  const { ollama, "llama.cpp": llamaCpp } = await verdicts(path);
  for (const found of [ollama, llamaCpp]) {
    expect([found.takes, found.commands]).toEqual(["no", []]);
    expect(found.reasons[0]).toMatch(/and of these and encoders \(bert, distilbert, .*\) that embed texts/);
  }
});

test("an adapter of an embedding model is merged for all but PEFT", async () => {
  const base = join(GOLDEN, "embeddings/bert-mean");
  const origin = { base, task: TASKS.embedding, taskType: "FEATURE_EXTRACTION" };
  const path = await adapterOf("lora", { targetModules: ["query", "value"] }, origin);
  const { vllm, ollama, peft, "llama.cpp": llamaCpp } = await verdicts(path);
  expect([vllm.takes, vllm.reasons]).toEqual(["no", ["It has no LoRA for BertModel."]]);
  expect(vllm.commands.at(-1)).toMatch(
    /^vllm serve lora\S*-merged --runner pooling$|^vllm serve \S*lora-merged --runner pooling$/,
  );
  const name = basename(path);
  for (const found of [ollama, llamaCpp]) {
    expect(found.reasons.at(-1)).toMatch(/has to be merged/);
    expect(found.commands[0]).toBe(`${HINTED_COMMAND} export --to gguf --adapter ${path} --output ${name}.gguf`);
  }
  expect(ollama.commands.at(-1)).toBe(`ollama create ${name} -f ${name}.Modelfile`);
  expect(llamaCpp.commands.at(-1)).toBe(`llama-server --embeddings -m ${name}.gguf`);
  expect(peft.commands[0]).toContain("AutoModel.from_pretrained(");
});

test("a reranker is exported for llama.cpp, merged with its adapter, where llama.cpp has its head", async () => {
  const path = join(GOLDEN, "reranking/roberta-4");
  const { ollama, "llama.cpp": llamaCpp } = await verdicts(path);
  const exporting = `${HINTED_COMMAND} export --to gguf --model ${path} --output roberta-4.gguf`;
  expect([llamaCpp.takes, llamaCpp.commands]).toEqual([
    "no",
    [exporting, "llama-server --reranking -m roberta-4.gguf"],
  ]);
  expect(llamaCpp.notes).toEqual([expect.stringContaining("raw output")]);
  expect([ollama.takes, ollama.commands]).toEqual(["no", []]);
  const base = join(GOLDEN, "reranking/bert-6");
  const adapter = await on("llama.cpp", join(GOLDEN, "reranking/adapter"), base);
  expect(adapter.reasons.at(-1)).toMatch(/has to be merged/);
  expect(adapter.commands.at(-1)).toMatch(/^llama-server --reranking -m/);
  expect(adapter.notes[0]).toMatch(/gives both texts of a pair the first token type: the export refuses a BERT/);
  const file = join(GOLDEN, "io/gguf/converted/xlm-roberta-reranker.gguf");
  const found = await verdicts(file);
  expect(found["llama.cpp"].commands).toEqual([`llama-server --reranking -m ${file}`]);
  expect(found.ollama.takes).toBe("no");
});

test("a reranker of a family whose head llama.cpp lacks stays with other programs", async () => {
  const path = freshPath("distilbert");
  cpSync(join(GOLDEN, "distilbert/regression"), path, { recursive: true });
  cpSync(
    join(GOLDEN, "reranking/bert-6/config_sentence_transformers.json"),
    join(path, "config_sentence_transformers.json"),
  );
  const found = await on("llama.cpp", path);
  expect(found.reasons[0]).toMatch(/and rerankers \(bert, roberta, xlm-roberta, camembert, modernbert\)/);
  expect(found.commands.join()).not.toContain("export --to gguf");
});

test("an exported folder runs in transformers.js, with what its pipelines do otherwise", async () => {
  const folder = freshPath("onnx");
  cpSync(join(BERT, "regression"), folder, { recursive: true });
  mkdirSync(join(folder, "onnx"));
  renameSync(join(folder, "model.safetensors"), join(folder, "onnx", "model.onnx"));
  const found = await on("transformers.js", folder);
  expect([found.takes, found.commands]).toEqual(["yes", []]);
  expect(found.notes).toEqual([expect.stringContaining("softmax")]);
});

test("a GGUF file runs in llama.cpp and Ollama as it is", async () => {
  const path = join(GOLDEN, "io/gguf/smollm.gguf");
  const found = await verdicts(path);
  expect([found["llama.cpp"].takes, found.ollama.takes, found.vllm.takes]).toEqual(["yes", "yes", "unknown"]);
  expect(found["llama.cpp"].commands).toEqual([`llama-cli -m ${path}`]);
  expect(found.ollama.commands).toEqual([`echo 'FROM ${path}' > Modelfile && ollama create smollm -f Modelfile`]);
});

test("the command line prints a table, or JSON, and refuses an unknown engine by the nearest name", async () => {
  const path = join(BERT, "single");
  const { stdout } = await bidora("inspect", path, "--for", "vllm,peft");
  expect(stdout.split("\n").slice(0, 3)).toEqual([
    "engine  takes it  why",
    "vllm    yes",
    "peft    no        It loads adapters, and this is a whole model, which transformers loads without PEFT.",
  ]);
  expect(stdout).toContain(`\nvllm:\n  $ vllm serve ${path} --runner pooling`);
  const { stdout: text } = await bidora("inspect", path, "--for", "vllm", "--json");
  expect(JSON.parse(text).engines).toEqual([
    { engine: "vllm", takes: "yes", reasons: [], notes: [], commands: [`vllm serve ${path} --runner pooling`] },
  ]);
  const unknown = await bidora("inspect", path, "--for", "peft,transformer.js");
  expect([unknown.status, unknown.stderr]).toEqual([2, expect.stringContaining('Did you mean "transformers.js"?')]);
  const lone = await bidora("inspect", path, "--model", LLAMA);
  expect([lone.status, lone.stderr]).toEqual([
    2,
    expect.stringContaining("No effect here: --model (applies only with --for)"),
  ]);
});

describe("an adapter that does not fit its base model is run by no program", () => {
  const expectMisfit = async (path: string, model: string, why: RegExp) => {
    const found = await verdicts(path, model);
    for (const engine of ENGINE_NAMES) {
      expect(found[engine], engine).toMatchObject({ takes: "no", commands: [] });
      expect(found[engine].reasons, engine).toEqual([expect.stringMatching(why)]);
    }
  };

  test("because of other sizes", async () => {
    const wider = tinyModel(freshPath("model"), "smollm", { model_type: "llama", architectures: ["LlamaForCausalLM"] });
    await expectMisfit(
      await adapterOf("lora", {}),
      wider,
      /does not fit the model: \S+ has shape \[\d+, \d+\], but the model needs/,
    );
  });

  test("because of another number of layers", async () => {
    const folder = freshPath("model");
    cpSync(LLAMA, folder, { recursive: true });
    const config = readJson<object>(join(folder, "config.json"));
    writeFileSync(join(folder, "config.json"), JSON.stringify({ ...config, num_hidden_layers: 1 }));
    await expectMisfit(await adapterOf("lora", {}), folder, /tensors that belong to no module of the model/);
  });

  test("because of another architecture", async () => {
    await expectMisfit(await adapterOf("lora", {}), join(GOLDEN, "gpt2/lm"), /No module matches the target modules/);
  });
});

test.each(["bert", "llama", "gpt2", "gemma3_text"])("every adapter of PEFT fits its base model: %s", async (family) => {
  type Entry = { readonly checkpoint: string; readonly adapter: string };
  const { adapters } = readJson<{ adapters: Entry[] }>(join(GOLDEN, family, "golden.json"));
  for (const { checkpoint, adapter } of adapters) {
    const { peft } = await verdicts(join(GOLDEN, family, adapter), join(GOLDEN, family, checkpoint));
    expect(peft.reasons.join(), adapter).not.toMatch(/does not fit|targets/);
  }
});

test("a model that bitsandbytes packed goes to llama.cpp by bidora's export, and never by llama.cpp's own converter", async () => {
  const packed = (name: string) => join(GOLDEN, "io/bitsandbytes", name);
  const [gpt2, llama] = [await on("llama.cpp", packed("gpt2-nf4")), await on("llama.cpp", packed("llama-nf4"))];
  expect([gpt2.takes, gpt2.commands]).toEqual(["no", []]);
  expect(llama.commands[0]).toContain("export --to gguf");
});
