import { resolveModel } from "../../src/formats/resolveModel.js";
import { generateTokens } from "../../src/models/generation/generateTokens.js";
import { GREEDY } from "../../src/models/generation/generationSettings.js";
import { loadModel, type TaskModel } from "../../src/models/index.js";
import { Linear, packLinears } from "../../src/models/nn/index.js";
import { TASKS } from "../../src/tasks/index.js";
import * as torch from "../../src/torch/index.js";
import type { GenerateSpec } from "../turns/protocol.js";
import type { Prepared } from "./work.js";

/** Generates from prompts as `generate` does, without an end-of-sequence token. */
export async function generation({ model: path, precision, prompts, newTokens }: GenerateSpec): Promise<Prepared> {
  const { head } = TASKS["causal-lm"];
  const generator = new torch.Generator(0);
  const { model } = await loadModel(await resolveModel(path), { head, outputs: 0, dtype: precision, generator });
  const weightBytes = bytesRead(model);
  packLinears(model);
  const given = prompts.map((ids) => ({ ids, maxNewTokens: newTokens, uniform: () => 0 }));
  const generate = async () => {
    const tokens: number[][] = prompts.map(() => []);
    for await (const next of generateTokens(model, given, GREEDY)) tokens[next.prompt]?.push(...next.tokens);
    return tokens;
  };
  const work = async () => void (await generate());
  return { work, facts: { tokens: JSON.stringify(await generate()), weightBytes } };
}

/** Bytes of the weights that each token is multiplied by. Embeddings are left out: a token reads only one row of them. */
function bytesRead(model: TaskModel): number {
  const linears = [...model.namedModules()].flatMap(([, module]) => (module instanceof Linear ? [module] : []));
  return linears.reduce((sum, { weight }) => sum + weight.values.bytes, 0);
}
