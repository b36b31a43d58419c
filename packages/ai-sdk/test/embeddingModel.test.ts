import { NoSuchModelError, UnsupportedFunctionalityError } from "@ai-sdk/provider";
import { embed, embedMany } from "ai";
import { load } from "bidora";
import { afterAll, expect, test } from "vitest";
import { createBidora } from "../src/provider.js";
import { golden } from "./models.js";

const bidora = createBidora();
afterAll(() => bidora.dispose());
const values = ["one two", "", "three four five"];

test.each([
  ["a model of sentence-transformers", golden("embeddings/bert-cls-prompt")],
  ["any other model", golden("llama/lm")],
])("%s: vectors as bidora predicts them, in the order of the texts", async (_, folder) => {
  using own = await load({ model: folder, task: "embedding" });
  const expected = (await own.predict(values)).map(({ embedding }) => embedding);
  const model = bidora.embeddingModel(folder);
  const { embeddings } = await embedMany({ model, values });
  expect(embeddings).toEqual(expected);
  expect(new Set(embeddings.map(String)).size).toBe(3);
  const [alone] = await own.predict([values[2]!]);
  expect((await embed({ model, value: values[2]! })).embedding).toEqual(alone!.embedding);
});

test("an adapter for another task is refused, as is a model that is not there", async () => {
  const embedding = (id: string, settings = {}) =>
    embedMany({ model: bidora.embeddingModel(id, settings), values, maxRetries: 0 });
  const classifier = embedding(golden("bert/adapters/lora"), { model: golden("bert/no-prefix") });
  await expect(classifier).rejects.toSatisfy(UnsupportedFunctionalityError.isInstance);
  await expect(embedding("/nowhere/at/all")).rejects.toSatisfy(NoSuchModelError.isInstance);
});

test("a call ends with its signal's reason", async () => {
  const abortSignal = AbortSignal.abort(new Error("enough"));
  const model = bidora.embeddingModel(golden("embeddings/bert-mean"));
  await expect(model.doEmbed({ values, abortSignal })).rejects.toThrow("enough");
});
