// The generation peer: llama.cpp through node-llama-cpp, on the CPU. Speaks the protocol of ../turns/protocol.ts.
import { getLlama, type Llama, type LlamaContextSequence, type Token } from "node-llama-cpp";
import type { GenerateSpec } from "../turns/protocol.js";
import { serve } from "../worker/serve.js";
import type { Prepared } from "../worker/work.js";

async function prepare({ model: modelPath, prompts, newTokens, threads }: GenerateSpec): Promise<Prepared> {
  const [prompt] = prompts as [Token[]];
  if (prompts.length !== 1) throw new Error("This worker takes a single prompt.");
  // Standard output is for the protocol, so llama.cpp must not log there.
  const llama = await getLlama({
    gpu: false,
    build: "never",
    progressLogs: false,
    maxThreads: threads,
    logger: () => {},
  });
  const model = await llama.loadModel({ modelPath });
  const context = await model.createContext({ threads, sequences: 1, contextSize: prompt.length + newTokens });
  const sequence = context.getSequence();
  const generate = () => decode(sequence, prompt, newTokens);
  const work = async () => void (await generate());
  return {
    work,
    facts: { llamaCpp: nameOf(llama), threads: context.currentThreads, tokens: JSON.stringify([await generate()]) },
  };
}

/** The release, and which build of it. */
function nameOf({ llamaCppRelease: { release }, buildType }: Llama): string {
  return `${release}, ${buildType === "prebuilt" ? "prebuilt" : "built on this machine"}`;
}

/** Greedy decoding. */
async function decode(sequence: LlamaContextSequence, prompt: Token[], newTokens: number): Promise<Token[]> {
  await sequence.clearHistory();
  const tokens: Token[] = [];
  for await (const token of sequence.evaluate(prompt, { temperature: 0, yieldEogToken: true })) {
    tokens.push(token);
    if (tokens.length === newTokens) break;
  }
  return tokens;
}

await serve(({ spec }) => prepare(spec as GenerateSpec));
