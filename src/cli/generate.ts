import { UsageError } from "../common/errors.js";
import { printable } from "../common/printable.js";
import { generateOptions } from "../config/index.js";
import type { Finish } from "../generation/index.js";
import type { TextGenerator } from "../use/generate.js";
import { defineCommand } from "./command.js";
import { downloadHooks } from "./downloadProgress.js";
import type { Output } from "./output.js";
import { stdout } from "./streams.js";

export const generate = defineCommand({
  usage: "generate --model M [--adapter A] --prompt TEXT",
  about: "Goes on from a prompt: with the likeliest tokens, with drawn ones, or with the best of several beams.",
  options: generateOptions,
  positionals: 0,
  interruptible: true,
  run: async ({ given, settings, output, signal }) => {
    const { prompt } = settings;
    if (prompt === undefined) throw new UsageError("--prompt is missing: give a text to go on from.");
    const { TextGenerator } = await import("../use/generate.js");
    const generator = await TextGenerator.open(given, { signal, hub: { signal, ...downloadHooks(output) } });
    await answer(generator, prompt, output);
  },
});

/** On a terminal the text is printed as it comes. */
async function answer(generator: TextGenerator, prompt: string, output: Output): Promise<void> {
  const streams = stdout.isTTY && !output.json;
  const tokens: number[] = [];
  let [text, finish]: [string, Finish | undefined] = ["", undefined];
  for await (const piece of generator.stream(prompt)) {
    if (streams) stdout.write(printable(piece.text));
    text += piece.text;
    tokens.push(...piece.tokens);
    finish = piece.finish;
  }
  if (streams) stdout.write("\n");
  else output.result({ prompt, text, tokens, finish }, text);
}
