/** `bidora generate` in the terminal: texts are printed as they are generated. */

import { type CallContext, printable } from "../../base/index.js";
import type { Settings } from "../../base/settings/index.js";
import type { Finish } from "../../models/generation/index.js";
import type { generateOptions } from "../../tasks/config/index.js";
import type { TextGenerator } from "../../use/inference/index.js";
import type { Context } from "../commands/command.js";
import { checkPrompts, generatedRows, generatorFor } from "../commands/models/generate.js";
import type { Output } from "./output.js";
import { stdout } from "./streams.js";

type GenerateCall = Settings<typeof generateOptions>;

/** @returns the exit status */
export async function generateInTerminal(settings: GenerateCall, context: Context, output: Output): Promise<number> {
  checkPrompts(settings);
  if (settings.input !== undefined) return printRows(settings, context, output);
  const generator = await generatorFor(settings, context);
  if (settings.chat) return (await import("./chat.js")).chat(generator, settings, output);
  return printText(generator, settings, context, output);
}

/** One result per row, or a line on what the file contains. */
async function printRows(settings: GenerateCall, context: Context, output: Output): Promise<number> {
  let count = 0;
  for await (const row of generatedRows(settings, context)) {
    count++;
    if (settings.output === undefined) output.result(row, row.text);
  }
  if (settings.output !== undefined)
    output.result({ rows: count, output: settings.output }, `${count} rows in ${settings.output}`);
  return 0;
}

/** On a terminal the text is printed as it is generated. */
async function printText(
  generator: TextGenerator,
  { prompt = "" }: GenerateCall,
  { signal }: CallContext,
  output: Output,
): Promise<number> {
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
  return 0;
}
