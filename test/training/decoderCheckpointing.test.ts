// The layers of each language model, recomputed in the backward pass: the same loss, the same gradients, with every dropout on.

import { describe, expect, test } from "vitest";
import { doraConfig, inject, loraConfig, trainEverything } from "../../src/models/adapters/index.js";
import { ia3 } from "../../src/models/adapters/methods/ia3.js";
import { oft } from "../../src/models/adapters/methods/oft.js";
import { vera } from "../../src/models/adapters/methods/vera.js";
import { loadModel, type TaskModel } from "../../src/models/index.js";
import { lossSum, TASKS, type Task } from "../../src/tasks/index.js";
import * as torch from "../../src/torch/index.js";
import { ReplayableMasks } from "../../src/training/loop/masks.js";
import { stepGradients } from "../../src/training/steps/stepGradients.js";
import { takeBatches } from "../../src/training/steps/takeBatches.js";
import { changedCheckpoint } from "../models/checkpoints.js";
import { encodeLanguageRows, inOrder } from "../parity/support/rows.js";
import { few } from "../support/few.js";
import { isPlain } from "../torch/operators/passes.js";
import { expectSameBits } from "../torch/sameBits.js";

const DROPOUTS = { attention_dropout: 0.15, resid_pdrop: 0.1, attn_pdrop: 0.15, embd_pdrop: 0.1 };
const everywhere = { rank: 3, alpha: 6, dropout: 0.2, targetModules: "all-linear" };
const METHODS = {
  lora: (model: TaskModel, dtype: torch.DType) => inject(model, loraConfig(everywhere), drawn(dtype)),
  dora: (model, dtype) => inject(model, doraConfig({ ...everywhere, axis: "in", normGradient: "full" }), drawn(dtype)),
  ia3: (model, dtype) => inject(model, ia3.config({ ...everywhere, feedforwardModules: ["down_proj"] }), drawn(dtype)),
  oft: (model, dtype) => inject(model, oft.config({ targetModules: "all-linear", rank: 2 }), drawn(dtype)),
  vera: (model, dtype) => inject(model, vera.config({ ...everywhere, rank: 4 }), drawn(dtype)),
  full: trainEverything,
} satisfies Record<string, (model: TaskModel, dtype: torch.DType) => unknown>;
type Method = keyof typeof METHODS;

const drawn = (dtype: torch.DType) => ({ generator: new torch.Generator(1), dtype });

const DECODERS = ["llama", "mistral", "qwen2", "qwen3", "phi3", "gemma3_text", "smollm3", "gpt2"];

async function prepare(family: string, dtype: torch.DType, method: Method) {
  const checkpoint = changedCheckpoint(`${family}/lm`, { config: DROPOUTS });
  const { head } = TASKS["causal-lm"];
  const { model } = await loadModel(checkpoint, { head, outputs: 0, dtype, generator: new torch.Generator(0) });
  checkpoint.close();
  const layers = Number(checkpoint.config.num_hidden_layers ?? checkpoint.config.n_layer);
  const adapted = METHODS[method](model, "float32");
  const task: Task = TASKS["causal-lm"];
  const batches = takeBatches(
    { task, model, ranks: torch.ALONE },
    inOrder(await encodeLanguageRows(family, { rows: "train", maxLength: 20 }), 3),
    2,
  );
  return { model, layers, adapted, task, batches };
}

/** The loss of two batches, and its gradients. */
function step(
  { model, adapted, task, batches }: Awaited<ReturnType<typeof prepare>>,
  gradientCheckpointing: boolean,
  dropsOut = true,
) {
  const masks = new ReplayableMasks(new torch.Generator(7), { gradientCheckpointing });
  const context = () => ({ ...masks.training(), ...(!dropsOut && { masks: undefined }) });
  const inputs = adapted.trained.map(({ tensor }) => tensor);
  return stepGradients({ ranks: torch.ALONE, task, model, batches, context }, inputs);
}

function partsMadeAnew({ model, task, batches }: Awaited<ReturnType<typeof prepare>>): number {
  const context = new ReplayableMasks(new torch.Generator(7), { gradientCheckpointing: true }).training();
  const { tape } = torch.recordTape(() => lossSum(task, model, batches.shares[0]!.own!, context));
  tape.dispose();
  return tape.calls.filter(({ operator }) => operator === "checkpoint").length;
}

describe.each(["float32", "bfloat16"] as const)("%s", (dtype) => {
  const cases = DECODERS.flatMap((family) =>
    (Object.keys(METHODS) as Method[])
      .filter((method) => family !== "gpt2" || method !== "oft") // which PEFT has not for Conv1D
      .map((method) => ({ family, method, dtype })),
  );
  test.each(few(cases, 12))("$method on $family", async ({ family, method }) => {
    const prepared = await prepare(family, dtype, method);
    torch.scope(() => {
      const [kept, recomputed] = [step(prepared, false), step(prepared, true)];
      expect(recomputed.loss).toBe(kept.loss);
      for (const [i, { name }] of prepared.adapted.trained.entries())
        expectSameBits(recomputed.gradients[i]!, kept.gradients[i]!, name);
      expect(step(prepared, true, false).loss).not.toBe(kept.loss);
      // The loss by its formula is a part as well.
      expect(partsMadeAnew(prepared)).toBe(prepared.layers + (isPlain ? 1 : 0));
    });
  });
});
