/** `bidora init` in the terminal: asks what the rows leave open. */

import { INTERRUPTED } from "../../base/index.js";
import { filled } from "../../base/settings/index.js";
import { METHODS, type RunSettings, runOptions } from "../../tasks/config/index.js";
import type { Context } from "../commands/command.js";
import { checkFile, type InitSettings, initCommand, runSettingsOf } from "../init/init.js";
import { type Proposal, proposeRun } from "../init/proposal.js";
import type { Output } from "./output.js";
import { openQuestions, type Questions } from "./questions.js";
import { stderr, stdout } from "./streams.js";

/** @returns the exit status */
export async function initInTerminal(given: InitSettings, context: Context, output: Output): Promise<number> {
  const answered = canAsk(given) ? await withAnswers(given, context) : given;
  if (answered) return output.show(initCommand.show(await initCommand.run(answered, context), stdout.isTTY));
  output.note("Interrupted: nothing was written.");
  return INTERRUPTED;
}

const canAsk = ({ yes, json, quiet }: InitSettings): boolean =>
  process.stdin.isTTY === true && stderr.isTTY && !yes && !json && !quiet;

/** What was said with the answers to all questions; undefined after Ctrl-C at a question. */
async function withAnswers(given: InitSettings, { signal }: Context): Promise<InitSettings | undefined> {
  checkFile(filled(initCommand.options, given));
  const interrupt = new AbortController();
  const either = AbortSignal.any([interrupt.signal, ...(signal ? [signal] : [])]);
  const questions = openQuestions(either, () => interrupt.abort());
  try {
    const rows = given.rows ?? (await askRows(given, questions));
    const answers = await answersTo(questions, runSettingsOf(given), rows);
    return { ...given, rows, ...answers };
  } catch (error) {
    if (interrupt.signal.aborted) return undefined;
    throw error;
  } finally {
    questions.close();
  }
}

async function askRows({ data, train }: InitSettings, questions: Questions): Promise<string | undefined> {
  if (data !== undefined || train !== undefined) return undefined;
  return questions.ask({ text: "File with the training rows", default: "train.csv" });
}

/** Asks what the rows leave open, one question after another, then the model and the method. */
async function answersTo(questions: Questions, given: RunSettings, rows: string | undefined): Promise<RunSettings> {
  let answers: RunSettings = {};
  let proposal = await proposeRun(given, rows);
  for (let [open] = proposal.open; open; [open] = proposal.open) {
    const choices = new Map(open.choices.map((choice) => [choice.join(","), choice]));
    const [preset = ""] = choices.keys();
    const about = new Map(Array.from(choices.keys(), (choice) => [choice, ""]));
    const chosen = choices.get(await questions.ask({ text: open.text, choices: about, default: preset }));
    answers = { ...answers, [open.key]: open.key === "task" ? chosen?.[0] : chosen };
    proposal = await proposeRun({ ...given, ...answers }, rows);
  }
  return { ...answers, ...(await modelAnswer(questions, proposal)), ...(await methodAnswer(questions, given)) };
}

async function modelAnswer(questions: Questions, { model }: Proposal): Promise<RunSettings> {
  if (!model) return {};
  const text = `Which model, ${runOptions.model.help}? By default ${model.why}`;
  return { model: await questions.ask({ text, default: model.model }) };
}

async function methodAnswer(questions: Questions, given: RunSettings): Promise<RunSettings> {
  if (given.method !== undefined) return {};
  const choices = new Map(Object.entries(METHODS).map(([name, { about }]) => [name, about]));
  const method = await questions.ask({ text: "Which method?", choices, default: runOptions.method.default });
  return { method: method as NonNullable<RunSettings["method"]> };
}
