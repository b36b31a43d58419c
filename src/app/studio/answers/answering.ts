/** Answers to questions, in the process that holds opened models. */
import { BidoraError, given } from "../../../base/index.js";
import { isTaskKind, namedTask } from "../../../tasks/index.js";
import { whyNotExported } from "../../../use/export/index.js";
import { servedKind } from "../../../use/server/index.js";
import { nearestTexts } from "./nearest.js";
import { namesOf, OpenModels } from "./opened.js";
import { type AskedModel, GENERATING, type Piece, type Question, type Refusals } from "./protocol.js";

const models = new OpenModels();

/** The names of the models that are open. */
export const openNames = (): readonly string[] => models.names;

/**
 * Answers for one model after the other.
 * @param tell receives the parts of the answer; what is wrong with one model is a part too
 * @throws the signal's reason
 */
export async function answerTo(question: Question, tell: (piece: Piece) => void, signal: AbortSignal): Promise<void> {
  for (const [place, asked] of question.models.entries()) {
    try {
      await answerFor(asked, place, question, (part) => tell({ ...part, model: asked.name } as Piece), signal);
    } catch (error) {
      signal.throwIfAborted();
      if (!(error instanceof BidoraError)) throw error;
      tell({ model: asked.name, error: error.message });
    }
  }
}

type Part = Piece extends infer P ? (P extends Piece ? Omit<P, "model"> : never) : never;

async function answerFor(
  asked: AskedModel,
  place: number,
  question: Question,
  tell: (part: Part) => void,
  signal: AbortSignal,
): Promise<void> {
  if (question.kind === "refusals") return tell({ refusals: await refusalsOf(asked) });
  const { open, model } = await models.get(asked);
  signal.throwIfAborted();
  if (question.kind === "predict") return tell({ predictions: await model.predict(question.rows, {}, { signal }) });
  if (question.kind === "nearest") return tell({ nearest: await nearestTexts(open, asked, question, signal) });
  const prompt = question.prompts[place]!;
  for await (const { text } of model.generate(prompt as string, question.settings, { signal })) tell({ text });
  tell({ done: true });
}

/**
 * Why a model can't be exported or served, in the words of the commands that refuse it.
 * @throws BidoraError for a base model that is not there any more
 */
async function refusalsOf(asked: AskedModel): Promise<Refusals> {
  const { task } = asked;
  const exported = isTaskKind(task) ? await whyNotExported(namesOf(asked), namedTask(task)) : {};
  return { ...exported, ...given({ serve: whyNotServed(task) }) };
}

function whyNotServed(task: string): string | undefined {
  try {
    servedKind(GENERATING.includes(task) ? "causal-lm" : task);
    return undefined;
  } catch (error) {
    return (error as Error).message;
  }
}
