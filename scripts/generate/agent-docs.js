// Writes llms.txt from the list of documents in the README, and skills/bidora/SKILL.md from the tables of options, tasks and methods; with --check
// only compares.
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { COMMANDS } from "../../build/js/app/cli/commands.js";
import { defaultText } from "../../build/js/app/cli/help.js";
import { METHODS } from "../../build/js/tasks/config/index.js";
import { TASKS } from "../../build/js/tasks/index.js";
import { documentsIn } from "./documents.js";

const root = new URL("../../", import.meta.url);
const { description } = JSON.parse(readFileSync(new URL("package.json", root), "utf8"));
const documents = documentsIn(readFileSync(new URL("README.md", root), "utf8"));

const groups = [...new Set(documents.map(({ group }) => group))].map((group) => {
  const lines = documents
    .filter((one) => one.group === group)
    .map((one) => `- [${one.title}](${one.path}): ${one.about}`);
  return `## ${group}\n\n${lines.join("\n")}`;
});
const llms = [
  "# bidora",
  `> ${description}.`,
  'The command line is `npx bidora COMMAND`, the library `import { finetune, load } from "bidora"`. [The skill](skills/bidora/SKILL.md) has the whole way from rows to a served model on one page.',
  ...groups,
].join("\n\n");

/** @param {string} command */
const optionsOf = async (command) => (await COMMANDS[command].load()).options;
const options = await optionsOf("finetune");
const { to } = await optionsOf("export");
const { port } = await optionsOf("serve");

const tasks = Object.entries(TASKS).map(([kind, { rows }]) => `| \`${kind}\` | ${rows.replaceAll("|", "\\|")} |`);
const methods = ["lora", "dora", "bidora", "full"].map((name) => `\`${name}\` (${METHODS[name].about})`);
/** @param {string[]} keys */
const defaults = (...keys) =>
  keys
    .map((key) => `\`--${key.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}\` ${defaultText(options[key])}`)
    .join(", ");

const skill = `---
name: bidora
description: Fine-tunes Hugging Face language models and encoders with LoRA, DoRA or BiDoRA from Node.js without Python, evaluates, exports and serves them. Use it when a project has rows of text (CSV, JSONL, Parquet, CoNLL) and needs a classifier, a tagger, embeddings, a reranker or a tuned chat model.
---

# Fine-tuning with bidora

bidora runs on Linux (x64, 64-bit Arm) with Node.js 20.19 or newer. \`npx bidora doctor\` says what is missing; [installing](../../docs/install.md) has other
systems.

## From rows to a model that is used

1. Write the settings of a run from a file of rows: \`init\` finds the task and the columns. Without \`--yes\` it asks where it is in doubt.
2. Look at the rows as the model gets them: tokens, which of them are trained on, lengths, what is cut off.
3. Predict parameters, memory and time. Nothing is written.
4. Train. The run is a folder: adapter, tokenizer, settings, metrics, log, \`report.html\`.
5. Continue a run that was interrupted, from its last checkpoint, with the same result as one that was not.
6. Measure it on rows that it has not seen.
7. Predict: one JSON line a row, in the order of the rows.
8. Export it for another program.
9. Read where each setting of the run came from.
10. Serve language models, embedding models and rerankers by OpenAI's protocol (port ${defaultText(port)}).

\`\`\`sh
npx bidora init train.csv --model sentence-transformers/all-MiniLM-L6-v2 --validation validation.csv --run-file skill.yaml --yes
npx bidora preview skill.yaml
npx bidora estimate skill.yaml
npx bidora finetune skill.yaml --output runs/skill --save-every 50
npx bidora finetune skill.yaml --output runs/skill --save-every 50 --resume
npx bidora evaluate --adapter runs/skill --data test.csv --confidence 0.95
npx bidora predict --adapter runs/skill --input rows.jsonl --output skill-predictions.jsonl
npx bidora export --adapter runs/skill --to onnx --output skill-onnx
npx bidora config runs/skill
npx bidora serve --model MODEL --adapter runs/chat --port ${defaultText(port)}
\`\`\`

A language model generates with \`npx bidora generate --adapter runs/chat --prompt "…"\`. \`npx bidora merge\` writes a plain Hugging Face model. \`--to\` is
${to.takes}.

## Choosing a task

Give rows one of these forms; columns with other names are named by \`--text-columns\` and \`--label-column\`. Files are JSONL, CSV, TSV, Parquet or CoNLL.
A data set such as \`glue/mrpc\` is a task too, with \`--data FOLDER\`.

| \`--task\` | rows |
|---|---|
${tasks.join("\n")}

- Keep rows apart for \`--validation\` and for the final evaluation, without texts of the training rows.
- For classifiers start with a small encoder, such as all-MiniLM-L6-v2: its 22 million parameters train on a processor.
- For chats, tools and prompts see [language models](../../docs/language-models.md) and [tools](../../docs/tools.md).

## Choosing a method

\`--method\` is ${methods.join(", ")} or one of ${Object.keys(METHODS).length - methods.length} [others](../../docs/models.md). Start with \`lora\`. \`dora\`
costs a little more. \`bidora\` takes several times as long, and is not shown to score higher ([results](../../docs/results.md)).

Defaults: ${defaults("method", "rank", "alpha", "epochs", "batchSize", "maxLength", "seed")}; \`--learning-rate\` by method (${defaultText(options.learningRate)}).
If the loss does not fall, try other learning rates first; then more rows, \`--target-modules all-linear\`, a higher \`--rank\`. To compare methods or
settings fairly, use \`npx bidora compare\` with several \`--seeds\`: one run of each says little.

A flag without effect in the run asked for is an error: leave it out. YAML keys are the flags in camelCase, and flags override the file.

## Errors

- Results go to stdout, messages to stderr. \`--json\` prints one JSON object a line: use it in programs, with \`--quiet\`.
- Exit status: 0 done, 1 failed, 2 wrong usage, 130 interrupted (its state is saved: \`--resume\`).
- An error is one sentence: what was expected, what came, what to do. Do that, instead of trying flags at random.
- An output folder with an earlier run is refused. \`--overwrite\` replaces what bidora wrote there; another \`--output\` keeps both.
- If memory does not suffice: \`--gradient-checkpointing\`, a smaller \`--batch-size\` with \`--gradient-accumulation\`, \`--base-dtype nf4\`.
- Without network, download first (\`npx bidora download REPOSITORY\`) and set \`HF_HUB_OFFLINE=1\`; \`--model\` also takes a folder or a \`.gguf\` file.

## In a program

Every command is a function, its flags are settings in camelCase: \`await finetune({ model, train, output })\`, then \`await load({ adapter })\` and
\`await model.predict(["a text"])\`. Errors are \`BidoraError\`s with a \`code\`. See [library](../../docs/library.md).

## Documents

[llms.txt](../../llms.txt) lists all documents; an installed package has it in \`node_modules/bidora\`. [Options](../../docs/options.md) has every flag with
its default and the commands that take it; so has \`npx bidora COMMAND --help-all\`.
`;

for (const [path, text] of [
  ["llms.txt", `${llms}\n`],
  ["skills/bidora/SKILL.md", skill],
]) {
  const file = new URL(path, root);
  if (!process.argv.includes("--check")) {
    mkdirSync(dirname(file.pathname), { recursive: true });
    writeFileSync(file, text);
  } else if (!existsSync(file) || readFileSync(file, "utf8") !== text) {
    console.error(`${path} is out of date; run: npm run generate`);
    process.exitCode = 1;
  }
}
