// Generates text and streams it to the terminal: node build/examples/generate.js MODEL [PROMPT]…
import { load } from "bidora";

const [name = "HuggingFaceTB/SmolLM2-135M-Instruct", ...given] = process.argv.slice(2);
const prompts = given.length > 0 ? given : ["The capital of France is", "Once upon a time"];

const model = await load({ model: name });
// The settings are the flags of `bidora generate` in camelCase.
const settings = { maxNewTokens: 20, temperature: 0.7, topP: 0.9, seed: 1 };

// One prompt, piece by piece. A list of messages instead is rendered by the model's chat template.
for await (const { text, finish } of model.generate(prompts[0] ?? "", settings)) {
  process.stdout.write(finish === undefined ? text : `${text} [${finish}]\n`);
}

// Several prompts, in order. Each gets the text that it would get alone.
for (const { prompt, text, tokens } of await model.generate(prompts, settings)) {
  console.log(`${prompt} … ${JSON.stringify(text)} (${tokens.length} tokens)`);
}
