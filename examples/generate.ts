// Text that goes on from text, as it comes: node build/examples/generate.js MODEL [PROMPT]…
import { TextGenerator } from "bidora";

const [model = "HuggingFaceTB/SmolLM2-135M-Instruct", ...given] = process.argv.slice(2);
const prompts = given.length > 0 ? given : ["The capital of France is", "Once upon a time"];

// The settings are the flags of `bidora generate` in camelCase; with `adapter` the model has one in it.
const generator = await TextGenerator.open({ model, maxNewTokens: 20, temperature: 0.7, topP: 0.9, seed: 1 });

// One prompt, piece by piece. A list of messages in its place is written by the model's chat template.
for await (const { text, finish } of generator.stream(prompts[0] ?? "")) {
  process.stdout.write(finish === undefined ? text : `${text} [${finish}]\n`);
}

// Many, in their order: each as if it were alone, whatever stands beside it.
for await (const { prompt, text, tokens } of generator.rows(prompts)) {
  console.log(`${prompt} … ${JSON.stringify(text)} (${tokens.length} tokens)`);
}
