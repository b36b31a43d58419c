// llama.cpp, through node-llama-cpp, in a process of its own: goes on from tokens greedily. Reads one JSON object from stdin, writes one
// to stdout. Exit status 3: there is no binary for this machine.
import { readFileSync } from "node:fs";
import { getLlama, NoBinaryFoundError } from "node-llama-cpp";

/** Nothing may be fetched or compiled. */
async function open() {
  try {
    return await getLlama({ build: "never", skipDownload: true, gpu: false, progressLogs: false, logLevel: "error" });
  } catch (error) {
    if (error instanceof NoBinaryFoundError) process.exit(3);
    throw error;
  }
}

const { model: modelPath, adapter, prompts, tokens: wanted, texts } = JSON.parse(readFileSync(0, "utf8"));
const llama = await open();
const model = await llama.loadModel({ modelPath, gpuLayers: 0 });
const lora = adapter === undefined ? {} : { lora: { adapters: [{ filePath: adapter, scale: 1 }] } };
const results = [];
for (const prompt of prompts) {
  const context = await model.createContext({ contextSize: prompt.length + wanted, threads: 1, ...lora });
  const found = [];
  for await (const token of context.getSequence().evaluate(prompt, { temperature: 0, yieldEogToken: true })) {
    found.push(token);
    if (found.length === wanted) break;
  }
  results.push(found);
  await context.dispose();
}
const words = texts.map((text) => Array.from(model.tokenize(text)));
const { bos, eos, eot } = model.tokens;
const about = { trainContextSize: model.trainContextSize, bos, eos, eot, addsBos: model.tokens.shouldPrependBosToken };
process.stdout.write(JSON.stringify({ results, words, about }));
process.exit(0);
