// Whatever sequences a batch is given one after the other, their logits are those of each sequence alone.
import { join } from "node:path";
import { expect, test } from "vitest";
import { uniforms } from "../../../src/base/seededGenerator.js";
import { SequenceBatch } from "../../../src/models/generation/index.js";
import { loadModel, type TaskModel } from "../../../src/models/index.js";
import * as torch from "../../../src/torch/index.js";
import { GOLDEN } from "../../e2e/support.js";

function alone(model: TaskModel, ids: readonly number[], wanted: number): number[][] {
  const batch = new SequenceBatch(model, 1, false);
  const [logits] = batch.logitsAfter([{ ids, wanted }]) as [Float32Array[]];
  return logits.map((row) => [...row]);
}

/** The second has RoPE that changes at 48 tokens. */
test.each([
  ["gpt2/lm", 40],
  ["phi3/lm", 60],
] as const)("%s", async (folder, most) => {
  const options = { head: { className: "ForCausalLM" }, outputs: 0, dtype: "float32" } as const;
  const { model } = await loadModel(join(GOLDEN, folder), { ...options, generator: new torch.Generator(0) });
  const random = uniforms(8, 1);
  const below = (count: number) => Math.floor(random() * count);
  const batch = new SequenceBatch(model, 3);
  let sequences: number[][] = [[], [], []];
  for (let pass = 0; pass < 25; pass++) {
    // Each keeps a part of its tokens, and gets others.
    sequences = sequences.map((ids) => {
      const kept = ids.slice(0, random() < 0.2 ? below(ids.length + 1) : ids.length - below(3));
      const fresh = 1 + (random() < 0.2 ? below(20) : below(4));
      return [...kept, ...Array.from({ length: fresh }, () => 4 + below(3))].slice(0, most);
    });
    const wanted = sequences.map(({ length }) => Math.min(length, below(4)));
    const logits = batch.logitsAfter(sequences.map((ids, i) => ({ ids, wanted: wanted[i] as number })));
    for (const [i, ids] of sequences.entries()) {
      const [count, rows] = [wanted[i] as number, logits[i] as Float32Array[]];
      expect(rows).toHaveLength(count);
      if (count === 0) continue;
      for (const [k, row] of alone(model, ids, count).entries())
        for (const [id, logit] of row.entries()) expect(rows[k]?.[id]).toBeCloseTo(logit, 3);
    }
    if (random() < 0.3) {
      const order = [below(3), below(3), below(3)];
      batch.select(order);
      sequences = order.map((i) => [...(sequences[i] as number[])]);
    }
  }
  batch.dispose();
  model.dispose();
});
