/** `bidora preview`: training rows as the model sees them. */
import { isObject, oneLine } from "../../base/index.js";
import { filled, type Given, omit, option, whole } from "../../base/settings/index.js";
import { IGNORED_LABEL } from "../../models/nn/index.js";
import { askedRun, runFile, runOptions } from "../../tasks/config/index.js";
import { type EncodedExample, type ExamplePart, encodeExamples, type Task } from "../../tasks/index.js";
import type { Tokenizer } from "../../text/index.js";
import { nestedNotes, readRunData, startOf } from "../../training/run/index.js";
import { call, defineRunCommand, HUB_HOOKS, type HubHooks, type Shown } from "./command.js";
import { cutTokens, lengthSentence, lengthSummary } from "./previewLengths.js";

const ownOptions = {
  limit: option(whole(1), { group: "Data", help: "how many rows to show", default: 5 }),
};

/** The options of a run, so that any settings of `finetune` can be previewed. */
const options = {
  ...runFile,
  ...omit(runOptions, "resume", "overwrite", "profile", "keepCheckpoints", "dashboard"),
  ...ownOptions,
};

/** What `preview` takes: the flags of `bidora preview`, in camelCase. */
export type PreviewSettings = Given<typeof options>;

/** Consecutive tokens of a row that are all trained on, or all not. */
export interface PreviewPart {
  readonly text: string;
  readonly bearsLoss: boolean;
  /** What it is, in rows of several texts: the prompt, the chosen answer, the rejected one. */
  readonly name?: string;
}

/** A training row as the model sees it. */
export interface PreviewRow {
  /** Its line in the file. */
  readonly line: number;
  readonly length: number;
  readonly inputIds: readonly number[];
  /** The tokens as text, including special ones: complete, and in parts by whether they are trained on. */
  readonly text: string;
  readonly parts: readonly PreviewPart[];
  /** Whether each token is trained on, for language models. */
  readonly bearsLoss?: readonly boolean[];
  /** The target of the loss, for all other tasks. */
  readonly target?: unknown;
  /** Each token as text, where each has a target of its own. */
  readonly tokens?: readonly string[];
  /** How many tokens it loses to the maximum length, if any. */
  readonly cut?: number;
}

/** Some training rows, and the lengths of all of them. */
export interface Preview {
  readonly rows: readonly PreviewRow[];
  /** The number of tokens of each training row. */
  readonly lengths: readonly number[];
  /** The number of tokens in all rows that are trained on, for language models. */
  readonly bearing: number | undefined;
  readonly maxLength: number;
  /** How many tokens each row that is cut loses to it. */
  readonly cut: readonly number[];
  /** The labels of the model's outputs, in order. */
  readonly labels?: readonly string[];
}

export const previewCommand = defineRunCommand({
  usage: "preview [run.yaml] [flags]",
  about: "Shows training rows as the model sees them: their tokens, which of them are trained on, and their lengths.",
  options,
  hooks: HUB_HOOKS,
  async run({ limit: asked, ...given }, context): Promise<Preview> {
    const { limit } = filled(ownOptions, { limit: asked });
    // What has no effect on a run may be there: only rows are shown.
    const begin = await startOf(askedRun(given), context, "all");
    const { choice, splits, tokenizer, labels, model, maxLength } = await readRunData(begin, context);
    for (const note of nestedNotes(splits, begin.config, choice.task)) context.onNote?.(note);
    const { task } = choice;
    const encoding = { labels, maxLength, trainOn: begin.config.trainOn, model };
    const { examples } = splits.train;
    const encoded = await encodeExamples(task, examples, tokenizer, encoding);
    const cut = await cutTokens(encoded, examples, maxLength, (long, most) =>
      encodeExamples(task, long, tokenizer, { ...encoding, maxLength: most }),
    );
    const rows = encoded.slice(0, limit).map(async (row) => {
      const lost = cut.get(row.at);
      return { ...(await previewRow(row, task, tokenizer)), ...(lost !== undefined && { cut: lost }) };
    });
    return {
      rows: await Promise.all(rows),
      lengths: encoded.map(({ inputIds }) => inputIds.length),
      bearing: task.takesTrainOn ? encoded.reduce((sum, row) => sum + task.weight(row), 0) : undefined,
      maxLength,
      cut: [...cut.values()],
      ...(labels && { labels: labels.names }),
    };
  },
  show(found, isTerminal): readonly Shown[] {
    const { rows, labels } = found;
    const lengths = lengthSummary(found);
    return [
      ...rows.map((row) => ({ value: row, text: rowLines(row, isTerminal), isFormatted: true })),
      { value: { lengths, ...(labels && { labels }) }, isForPrograms: true, notes: [lengthSentence(lengths)] },
    ];
  },
});

/**
 * The training rows of a run as token ids, with the loss mask. Reads no weights and trains nothing.
 * @throws UsageError and BidoraError as the run would for its rows
 */
export const preview = (settings: PreviewSettings, hooks: HubHooks = {}): Promise<Preview> =>
  call("preview", previewCommand, settings, hooks);

async function previewRow(row: EncodedExample, task: Task, tokenizer: Tokenizer): Promise<PreviewRow> {
  const { inputIds, at, target } = row;
  const named = task.textParts?.(row);
  const marks = task.takesTrainOn ? lossMask(target as readonly number[]) : marksOf(row, named);
  return {
    line: at.line,
    length: inputIds.length,
    inputIds,
    text: await tokenizer.decode(inputIds, { skipSpecialTokens: false }),
    parts: await (named ? namedParts(inputIds, named, tokenizer) : partsOf(inputIds, marks, tokenizer)),
    ...((task.takesTrainOn || named) && { bearsLoss: marks }),
    ...(!task.takesTrainOn && !isEmpty(target) && { target }),
    ...(task.peftTaskType === OF_TOKENS && { tokens: await Promise.all(inputIds.map((id) => decodedToken(id))) }),
  };
  function decodedToken(id: number): Promise<string> {
    return tokenizer.decode([id], { skipSpecialTokens: false });
  }
}

/** PEFT's type of tasks with a target for each token. */
const OF_TOKENS = "TOKEN_CLS";

/** Whether a target says nothing, as that of pairs without a score. */
const isEmpty = (target: unknown): boolean => isObject(target) && Object.keys(target).length === 0;

/** Whether each token is trained on; its target is at the token before it. */
const lossMask = (targets: readonly number[]): boolean[] =>
  targets.map((_, i) => i > 0 && targets[i - 1] !== IGNORED_LABEL);

/** Whether each token counts in the loss; those after the parts of a row that is left out do not. */
function marksOf({ inputIds }: EncodedExample, parts: readonly ExamplePart[] = []): boolean[] {
  const marks = parts.flatMap(({ tokens, bearsLoss }) => new Array<boolean>(tokens).fill(bearsLoss));
  return inputIds.map((_, i) => marks[i] ?? false);
}

async function namedParts(
  ids: readonly number[],
  parts: readonly ExamplePart[],
  tokenizer: Tokenizer,
): Promise<PreviewPart[]> {
  let end = 0;
  return Promise.all(
    parts.map(async ({ name, tokens, bearsLoss }) => {
      end += tokens;
      return {
        text: await tokenizer.decode(ids.slice(end - tokens, end), { skipSpecialTokens: false }),
        bearsLoss,
        name,
      };
    }),
  );
}

async function partsOf(
  ids: readonly number[],
  marks: readonly boolean[],
  tokenizer: Tokenizer,
): Promise<PreviewPart[]> {
  const starts = marks.flatMap((mark, i) => (i === 0 || mark !== marks[i - 1] ? [i] : []));
  const stretches = starts.map((start, i) => ({ start, stretch: ids.slice(start, starts[i + 1]) }));
  return Promise.all(
    stretches.map(async ({ start, stretch }) => ({
      text: await tokenizer.decode(stretch, { skipSpecialTokens: false }),
      bearsLoss: marks[start] as boolean,
    })),
  );
}

/** Marks tokens that are trained on: green on a terminal, otherwise in brackets. */
function rowLines({ line, length, parts, target, cut }: PreviewRow, isColored: boolean): string {
  const isNamed = parts.some(({ name }) => name !== undefined);
  const text = parts.map((part) => shown(part, isColored)).join(isNamed ? "\n  " : "");
  const aim =
    target === undefined || JSON.stringify(target) === "{}" ? "" : `\n  target ${oneLine(JSON.stringify(target))}`;
  const lost = cut === undefined ? "" : ` and ${cut} cut off`;
  return `line ${line}, ${length} tokens${lost}\n  ${text}${aim}`;
}

function shown({ text, bearsLoss, name }: PreviewPart, isColored: boolean): string {
  const [line, front] = [oneLine(text), name === undefined ? "" : `${name}: `];
  if (!bearsLoss) return front + line;
  return front + (isColored ? `\x1b[32m${line}\x1b[0m` : `⟦${line}⟧`);
}
