import { printable } from "../common/messages.js";
import { generateOptions, generatorSettings } from "../config/index.js";
import type { Finish } from "../generation/index.js";
import { checkPrompts } from "../inference/generationChecks.js";
import type { TextGenerator } from "../inference/textGenerator.js";
import { type CommandCall, defineCommand } from "./command.js";
import { downloadHooks } from "./downloadProgress.js";
import { stdout } from "./streams.js";

type Call = CommandCall<typeof generateOptions>;

export const generate = defineCommand({
  usage: "generate --model M --prompt TEXT | --input FILE | --chat",
  about: "Goes on from a prompt: with the likeliest tokens, with drawn ones, or with the best of several beams.",
  options: generateOptions,
  positionals: 0,
  interruptible: true,
  ownInterrupts: ({ chat }) => chat === true,
  run: async (call) => {
    checkPrompts(call.given);
    if (call.settings.input !== undefined) return rows(call);
    const { TextGenerator } = await import("../inference/textGenerator.js");
    const generator = await TextGenerator.open(generatorSettings(call.given), { hub: hubOf(call) });
    if (call.settings.chat) return (await import("./chat.js")).chat(generator, call);
    return answer(generator, call);
  },
});

const hubOf = ({ signal, output }: Call) => ({ signal, ...downloadHooks(output) });

/** A result a row, or a line on what the file has. */
async function rows(call: Call): Promise<void> {
  const { given, settings, output, signal } = call;
  const { generate } = await import("../commands/generate.js");
  let count = 0;
  for await (const row of generate(given, { signal, hub: hubOf(call) })) {
    count++;
    if (settings.output === undefined) output.result(row, row.text);
  }
  if (settings.output !== undefined)
    output.result({ rows: count, output: settings.output }, `${count} rows in ${settings.output}`);
}

/** On a terminal the text is printed as it comes. */
async function answer(generator: TextGenerator, { settings: { prompt = "" }, output, signal }: Call): Promise<void> {
  const streams = stdout.isTTY && !output.json;
  const tokens: number[] = [];
  let [text, finish]: [string, Finish | undefined] = ["", undefined];
  for await (const piece of generator.stream(prompt, { signal })) {
    if (streams) stdout.write(printable(piece.text));
    text += piece.text;
    tokens.push(...piece.tokens);
    finish = piece.finish;
  }
  if (streams) stdout.write("\n");
  else output.result({ prompt, text, tokens, finish }, text);
}
