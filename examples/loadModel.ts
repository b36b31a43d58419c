// Loads a model and its adapter, and asks it about texts: node build/examples/loadModel.js [ADAPTER] [TEXT]…
import { modelInput, nn, openModel, torch } from "bidora";

const [adapter = "runs/example", ...given] = process.argv.slice(2);
const texts = given.length > 0 ? given : ["You have won a prize, call now!", "See you at the station at six"];

const { model, tokenizer, labels } = await openModel({ adapter, dtype: "float32" });
const encoded = await tokenizer.encodeBatch(texts.map((text) => [text] as const));

// What is made in a scope is released at its end, but for its result.
const probabilities = torch.noGrad(() =>
  torch.scope(() => {
    const logits = model.forward(modelInput(encoded), nn.EVALUATION); // texts,labels
    return torch.softmax(logits, -1).toArray();
  }),
);

for (const [i, text] of texts.entries()) {
  const own = probabilities.slice(i * labels.length, (i + 1) * labels.length);
  console.log(`${text}\n  ${labels.map((label, j) => `${label} ${(own[j] ?? 0).toFixed(3)}`).join(", ")}`);
}
