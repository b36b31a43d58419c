/** `bidora mine`: hard negatives for rows that embeddings are learned from. */
import { BidoraError, UsageError } from "../../../base/index.js";
import { freeFile } from "../../../base/records/index.js";
import {
  choice,
  type Given,
  group,
  number,
  pick,
  type Settings,
  text,
  whenGiven,
  whole,
} from "../../../base/settings/index.js";
import type { HubContext } from "../../../formats/hub/index.js";
import { baseModel, overwrite, rowOptions, runOptions, session } from "../../../tasks/config/index.js";
import { taskOf } from "../../../tasks/datasets/index.js";
import {
  findModel,
  type InferenceModel,
  type Mined,
  type MinedRow,
  mineNegatives,
  openForInference,
} from "../../../use/inference/index.js";
import { call, defineCommand, HUB_HOOKS, type HubHooks, required } from "../command.js";
import { writtenTo } from "./rowFiles.js";

const data = group("Data");
const model = group("Model");
const negatives = group("Negatives");
const output = group("Output");

/** Of a cosine, or of a reranker's score, which may be any number. */
const score = number();

const options = {
  ...baseModel,
  input: data(text("FILE"), "rows with anchor and positive"),
  corpus: data(text("FILE"), "rows with a text: more candidates", { defaultText: "only the input's positives" }),
  ...pick(rowOptions, "textColumns", "maxLength", "batchSize", "dtype", "baseDtype", "device", "threads"),
  reranker: model(
    text("MODEL"),
    "a reranker that scores the candidates again: limits, margins and their order go by its scores",
    { defaultText: "none" },
  ),
  rerankerAdapter: model(text("FOLDER"), "the reranker's adapter", { appliesWhen: whenGiven("reranker") }),
  numNegatives: negatives(whole(1), "number of negatives for each row", { default: 3 }),
  rangeMin: negatives(whole(0), "leave out this many of the best candidates, which may be positives", { default: 0 }),
  rangeMax: negatives(whole(1), "number of nearest texts that are candidates", {
    defaultText: "as many as needed; with limits on scores, or a reranker, 10 times as many",
  }),
  maxScore: negatives(score, "highest score of a negative: its cosine, or the reranker's", { defaultText: "none" }),
  minScore: negatives(score, "lowest score of a negative", { defaultText: "none" }),
  absoluteMargin: negatives(number({ least: 0 }), "by how much a negative's score must be below the positive's", {
    defaultText: "none",
  }),
  relativeMargin: negatives(number({ least: 0, most: 1 }), "the same, as a share of the positive's score", {
    defaultText: "none",
  }),
  samplingStrategy: negatives(choice(["top", "random"]), "take the nearest candidates, or draw from all", {
    default: "top",
  }),
  seed: {
    ...runOptions.seed,
    group: "Negatives",
    help: "seed of the draws",
    appliesWhen: {
      only: "with --sampling-strategy random",
      holds: ({ samplingStrategy }: { readonly samplingStrategy?: string }) => samplingStrategy === "random",
    },
  },
  output: output(text("FILE"), "file for the rows with their negatives, as JSON lines"),
  ...overwrite,
  ...session,
};

/** What `mine` takes: the flags of `bidora mine`, in camelCase. */
export type MineSettings = Given<typeof options>;

/** What `mine` found. */
export interface MineResult {
  /** The number of rows that were written. */
  readonly rows: number;
  /** The number of negatives in them. */
  readonly negatives: number;
  /** The number of rows with fewer negatives than asked for. */
  readonly short: number;
  /** The number of rows without any, which were left out. */
  readonly leftOut: number;
  readonly output: string;
}

export const mineCommand = defineCommand({
  usage: "mine --model M [--adapter A] --input FILE --output FILE",
  about:
    "Finds hard negatives for rows of --task embedding: texts that are near an anchor, but are not its positive. All texts are compared exactly.",
  options,
  hooks: HUB_HOOKS,
  leavesFiles: true,
  run: mined,
  show: (result) => ({
    value: result,
    text: `${result.rows} rows with ${result.negatives} negatives in ${result.output}`,
    notes: notesOn(result),
  }),
});

/**
 * Finds hard negatives for rows with anchor and positive, and writes the rows with them. A row's own negatives are kept, and neither they
 * nor the anchor, nor any positive of an equal anchor, are chosen, in whatever case and spacing.
 * @throws UsageError for missing settings; BidoraError `NO_NEGATIVES` if no row got any, `OUTPUT_IN_USE`, and for rows that do not fit
 */
export const mine = (settings: MineSettings, hooks: HubHooks = {}): Promise<MineResult> =>
  call("mine", mineCommand, settings, hooks);

async function mined(settings: Settings<typeof options>, context: HubContext): Promise<MineResult> {
  const input = required(settings.input, "--input");
  const output = required(settings.output, "--output");
  const { model, adapter, corpus, rangeMin, rangeMax, numNegatives } = settings;
  if (settings.reranker === undefined) checkCosines(settings);
  if (rangeMax !== undefined && rangeMax <= rangeMin)
    throw new UsageError(`--range-max ${rangeMax} leaves no candidate beyond --range-min ${rangeMin}: give more.`);
  const path = freeFile(output, settings.overwrite, [input, corpus, model, adapter]);
  const found = await findModel(settings, context);
  const reranker = await openReranker(settings, context);
  const open = await openForInference(found, { ...settings, merge: undefined }, taskOf("embedding"));
  const counts = { rows: 0, negatives: 0, short: 0, leftOut: 0 };
  const rows = withNegatives(
    mineNegatives(open, { ...settings, input, reranker, signal: context.signal }),
    numNegatives,
    counts,
  );
  for await (const { negatives } of writtenTo(path, rows)) {
    counts.rows++;
    counts.negatives += negatives.length;
  }
  return { ...counts, output };
}

/** @throws UsageError for a limit or a margin that no cosines have */
function checkCosines({ maxScore, minScore, absoluteMargin }: Settings<typeof options>): void {
  for (const [flag, value, least, most] of [
    ["--max-score", maxScore, -1, 1],
    ["--min-score", minScore, -1, 1],
    ["--absolute-margin", absoluteMargin, 0, 2],
  ] as const)
    if (value !== undefined && (value < least || value > most))
      throw new UsageError(
        `${flag} takes a number of at least ${least} and at most ${most}, for cosines; got ${value}.`,
      );
}

async function openReranker(
  { reranker: model, rerankerAdapter: adapter, ...settings }: Settings<typeof options>,
  context: HubContext,
): Promise<InferenceModel | undefined> {
  if (model === undefined) return undefined;
  const found = await findModel({ model, adapter }, context);
  const own = { ...settings, baseDtype: undefined, merge: undefined };
  return openForInference(found, own, taskOf("reranking"));
}

/** The rows that got negatives. @throws BidoraError `NO_NEGATIVES` if none did */
async function* withNegatives(
  mined: AsyncIterable<Mined>,
  wanted: number,
  counts: { short: number; leftOut: number },
): AsyncGenerator<MinedRow> {
  let rows = 0;
  for await (const { row, found } of mined) {
    if (found === 0) counts.leftOut++;
    else if (found < wanted) counts.short++;
    if (found === 0) continue;
    rows++;
    yield row;
  }
  if (rows === 0) throw new BidoraError("NO_NEGATIVES", `No row got a negative: ${WIDER}.`);
}

const WIDER = "give more texts with --corpus, or widen --range-max and the limits on scores";

function notesOn({ short, leftOut }: MineResult): readonly string[] {
  return [
    ...(short > 0 ? [`${short} rows have fewer negatives than asked for: ${WIDER}.`] : []),
    ...(leftOut > 0 ? [`${leftOut} rows have no negatives and were left out: ${WIDER}.`] : []),
  ];
}
