// Loads a model with its adapter, and classifies texts: node build/examples/loadModel.js [ADAPTER] [TEXT]…
import { load } from "bidora";

const [adapter = "runs/example", ...given] = process.argv.slice(2);
const texts = given.length > 0 ? given : ["You have won a prize, call now!", "See you at the station at six"];

// The adapter names its base model. `model` names another copy of it, or a model without adapter.
const model = await load({ adapter });
console.log(`${model.task}: ${model.labels.join(", ")}`);

// `await` returns all predictions; `for await (const prediction of model.predict(rows))` one at a time.
const predictions = await model.predict(texts);
for (const [i, { label, score }] of predictions.entries())
  console.log(`${texts[i]}\n  ${label}, with probability ${score?.toFixed(3)}`);

// Releases the weights. `using model = await load(…)` does it at the end of a block.
model.dispose();
