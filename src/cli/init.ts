/** `bidora init` in the terminal: asks what the rows leave open. */
import { type Hooks, withHub } from "../commands/command.js";
import { checkFile, type InitSettings, initCommand, runSettingsOf } from "../commands/init/init.js";
import { type Proposal, proposeRun } from "../commands/init/proposal.js";
import { type RunSettings, runOptions } from "../config/index.js";
import { checkValue } from "../settings/kinds.js";
import { filled } from "../settings/settings.js";
import type { Output } from "./output.js";
import { openQuestions, type Questions } from "./questions.js";
import { stderr, stdout } from "./streams.js";

/** @returns the exit status */
export async function initInTerminal(settings: InitSettings, hooks: Hooks, output: Output): Promise<number> {
  const answered = canAsk(settings) ? await withAnswers(settings, hooks) : settings;
  return output.show(initCommand.show(await initCommand.run(answered, withHub(hooks)), stdout.isTTY));
}

const canAsk = ({ yes, json, quiet }: InitSettings): boolean =>
  process.stdin.isTTY === true && stderr.isTTY && !yes && !json && !quiet;

/** The settings with the answers to all questions. */
async function withAnswers(
  settings: InitSettings,
  { signal = new AbortController().signal }: Hooks,
): Promise<InitSettings> {
  checkFile(settings);
  const questions = openQuestions(signal, () => process.kill(process.pid, "SIGINT"));
  try {
    const { rows = settings.train ?? (await askRows(settings, questions)), ...given } = settings.given;
    const answers = await answersTo(questions, runSettingsOf(settings), rows);
    return filled(initCommand.options, { ...given, ...(rows !== given.train && { rows }), ...answers });
  } finally {
    questions.close();
  }
}

async function askRows({ data }: InitSettings, questions: Questions): Promise<string | undefined> {
  return data === undefined ? questions.ask({ text: "File with the training rows", default: "train.csv" }) : undefined;
}

/** What the rows leave open, one question after another, then the model and the method. */
async function answersTo(questions: Questions, given: RunSettings, rows: string | undefined): Promise<RunSettings> {
  let answers: RunSettings = {};
  let proposal = await proposeRun(given, rows);
  for (let [open] = proposal.open; open; [open] = proposal.open) {
    const choices = open.choices.map((choice) => choice.join(","));
    const answer = await questions.ask({ text: reasonFor(open.key, proposal), choices, default: choices[0]! });
    const values = open.choices[choices.indexOf(answer)]!;
    answers = { ...answers, [open.key]: open.key === "task" ? values[0] : values };
    proposal = await proposeRun({ ...given, ...answers }, rows);
  }
  return { ...answers, ...(await modelAndMethod(questions, given, proposal)) };
}

const TITLES = { task: "Task", textColumns: "Texts", labelColumn: "Label" } as const;

function reasonFor(key: keyof typeof TITLES, { reasons }: Proposal): string {
  return [...reasons, `${TITLES[key]}?`].join("\n");
}

async function modelAndMethod(questions: Questions, given: RunSettings, { model }: Proposal): Promise<RunSettings> {
  const { help, words, default: preset } = runOptions.method;
  const answers: Record<string, unknown> = {};
  if (model)
    answers.model = await questions.ask({
      text: `Model: ${runOptions.model.help}; ${model.model} is ${model.why}`,
      default: model.model,
    });
  if (given.method === undefined) answers.method = await questions.ask({ text: help, choices: words, default: preset });
  return Object.fromEntries(
    Object.entries(answers).map(([key, value]) => [key, checkValue(runOptions[key as "model"], value, key)]),
  );
}
