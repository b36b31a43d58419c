/** Why a model can't be exported or served, in the words of the commands that refuse it. */
import { isTaskKind, namedTask } from "../../../tasks/index.js";
import { whyNotExported } from "../../../use/export/index.js";
import { servedKind } from "../../../use/server/index.js";
import { namesOf } from "./opened.js";
import { type AskedModel, GENERATING, type Refusals } from "./protocol.js";

/** @throws BidoraError for a base model that is not there any more */
export async function refusalsOf(asked: AskedModel): Promise<Refusals> {
  const { task } = asked;
  const exported = isTaskKind(task) ? await whyNotExported(namesOf(asked), namedTask(task)) : {};
  const serve = whyNotServed(task);
  return { ...exported, ...(serve !== undefined && { serve }) };
}

function whyNotServed(task: string): string | undefined {
  try {
    servedKind(GENERATING.includes(task) ? "causal-lm" : task);
    return undefined;
  } catch (error) {
    return (error as Error).message;
  }
}
