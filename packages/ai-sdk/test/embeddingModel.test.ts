import { NoSuchModelError, UnsupportedFunctionalityError } from "@ai-sdk/provider";
import { embedMany } from "ai";
import type { Model } from "bidora";
import { expect, test } from "vitest";
import { BidoraEmbeddingModel } from "../src/embeddingModel.js";
import { createBidora } from "../src/provider.js";
import { golden } from "./models.js";

test("vectors come in the order of the texts", async () => {
  const predict = async (rows: readonly { text: string }[]) =>
    rows.map(({ text }) => ({ embedding: [text.length, 1] }));
  const model = new BidoraEmbeddingModel("fake", async () => ({ task: "embedding", predict }) as unknown as Model);
  const { embeddings } = await embedMany({ model, values: ["a", "bcd", ""] });
  expect(embeddings).toEqual([
    [1, 1],
    [3, 1],
    [0, 1],
  ]);
});

test("a model for another task is refused, as is one that is not there", async () => {
  const bidora = createBidora();
  const embedding = (id: string) => embedMany({ model: bidora.embeddingModel(id), values: ["a"], maxRetries: 0 });
  await expect(embedding(golden("bert/single"))).rejects.toSatisfy(UnsupportedFunctionalityError.isInstance);
  await expect(embedding("/nowhere/at/all")).rejects.toSatisfy(NoSuchModelError.isInstance);
  await bidora.dispose();
});
