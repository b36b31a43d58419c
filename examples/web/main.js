// Opens ./model with transformers.js, on the processor (WebAssembly), and shows its result for the text.
import { env, pipeline } from "./node_modules/@huggingface/transformers/dist/transformers.min.js";

env.allowLocalModels = true;
env.allowRemoteModels = false;
env.localModelPath = "./";
env.backends.onnx.wasm.wasmPaths = new URL("node_modules/onnxruntime-web/dist/", document.baseURI).href;

/** The dtype, by its name in transformers.js, of the smallest graph in the exported folder. */
async function storedDtype() {
  const files = { q4f16: "model_q4f16", q4: "model_q4", q8: "model_quantized", fp16: "model_fp16", fp32: "model" };
  for (const [dtype, file] of Object.entries(files))
    if ((await fetch(`model/onnx/${file}.onnx`, { method: "HEAD" })).ok) return dtype;
  throw new Error("There is no graph in model/onnx.");
}

/** By the suffix of the model's class in config.json: the pipeline, and its output as text. */
const TASKS = {
  ForSequenceClassification: {
    name: "text-classification",
    run: async (classify, text) => {
      const labels = await classify(text, { top_k: null });
      return labels.map(({ label, score }) => `${label} ${(100 * score).toFixed(1)} %`).join("\n");
    },
  },
  ForTokenClassification: {
    name: "token-classification",
    run: async (classify, text) => {
      const words = await classify(text, { aggregation_strategy: "simple" });
      return words.map(({ word, entity_group }) => `${entity_group}: ${word}`).join("\n");
    },
  },
  ForCausalLM: {
    name: "text-generation",
    run: async (generate, text) => (await generate(text, { max_new_tokens: 64 }))[0].generated_text,
  },
  Model: {
    name: "feature-extraction",
    /** The lines after the first, sorted by similarity to the first. */
    run: async (extract, text) => {
      const [query, ...lines] = text.split("\n").filter((line) => line.trim() !== "");
      const [own, ...others] = (await extract([query, ...lines], await poolingOptions())).tolist();
      const cosines = others.map((other, i) => ({ line: lines[i], cosine: dot(own, other) }));
      return cosines
        .sort((a, b) => b.cosine - a.cosine)
        .map(({ line, cosine }) => `${cosine.toFixed(3)} ${line}`)
        .join("\n");
    },
  },
};

const dot = (a, b) => a.reduce((sum, value, i) => sum + value * b[i], 0);

/** The model's pooling and normalization, from sentence-transformers' files. */
async function poolingOptions() {
  const response = await fetch("model/1_Pooling/config.json");
  const config = response.ok ? await response.json() : {};
  const pooling = config.pooling_mode_cls_token ? "cls" : config.pooling_mode_lasttoken ? "last_token" : "mean";
  return { pooling, normalize: true };
}

async function open() {
  const { architectures = [""] } = await (await fetch("model/config.json")).json();
  const name = architectures[0].replace("LMHeadModel", "ForCausalLM");
  const task = Object.entries(TASKS).find(([end]) => name.endsWith(end))?.[1];
  if (!task) throw new Error(`This page has no task for ${name}.`);
  const model = await pipeline(task.name, "model", { device: "wasm", dtype: await storedDtype() });
  return { name: task.name, run: (text) => task.run(model, text) };
}

const [heading, button, output] = ["h1", "button", "output"].map((selector) => document.querySelector(selector));
try {
  const { name, run } = await open();
  heading.textContent = name;
  button.disabled = false;
  document.querySelector("form").addEventListener("submit", async (event) => {
    event.preventDefault();
    button.disabled = true;
    output.textContent = await run(document.querySelector("textarea").value).catch(String);
    button.disabled = false;
  });
} catch (error) {
  heading.textContent = String(error);
}
