/** Opened models in the process that answers, those used last. */

import { namedTask } from "../../../tasks/index.js";
import {
  findModel,
  type InferenceModel,
  Model,
  openForInference,
  trainedTemplate,
} from "../../../use/inference/index.js";
import { type AskedModel, GENERATING } from "./protocol.js";

/** A model with the two ways to use it. */
export interface Opened {
  readonly open: InferenceModel;
  readonly model: Model;
}

/** How many stay open that the present question does not need. */
export const MOST_OPEN = 4;

export class OpenModels {
  /** By what they are, those used last at the end. */
  readonly #all = new Map<string, Opened>();

  /** Their names. */
  get names(): readonly string[] {
    return [...this.#all.keys()].map((key) => (JSON.parse(key) as AskedModel).name);
  }

  /** @throws BidoraError as `load` */
  async get(asked: AskedModel): Promise<Opened> {
    const key = JSON.stringify(asked);
    const known = this.#all.get(key) ?? (await this.#opened(asked));
    this.#all.delete(key);
    this.#all.set(key, known);
    return known;
  }

  async #opened(asked: AskedModel): Promise<Opened> {
    // Of a run that was made again, the old model is of no use.
    for (const [key, { model }] of this.#all)
      if (this.#isEarlier(JSON.parse(key), asked) || this.#all.size >= MOST_OPEN) {
        model.dispose();
        this.#all.delete(key);
      }
    const open = await openAsked(asked);
    return { open, model: new Model(open) };
  }

  #isEarlier(known: AskedModel, asked: AskedModel): boolean {
    return known.run === asked.run && known.version !== asked.version;
  }
}

/** The base gets what the run says about how it is used: its task, pooling and chat template. */
async function openAsked({ run, task, isBase, wholeOf }: AskedModel): Promise<InferenceModel> {
  const found = await findModel(namesOf({ run, isBase, wholeOf }));
  const kind = GENERATING.includes(task) ? namedTask("causal-lm") : undefined;
  if (!isBase) return openForInference(found, { dtype: "auto" }, kind);
  const { adapter } = found;
  for (const tensor of adapter?.tensors.values() ?? []) tensor.dispose();
  const bare = { ...found, adapter: undefined, adapterFolder: undefined };
  const chatTemplate = kind && trainedTemplate(found);
  if (task !== "embedding") return openForInference(bare, { dtype: "auto", chatTemplate }, kind);
  return openForInference(bare, { dtype: "auto", pooling: adapter?.metadata?.pooling }, namedTask("embedding"));
}

/** The run, or of a run that wrote a whole model what it began with. */
export const namesOf = ({ run, isBase, wholeOf }: Pick<AskedModel, "run" | "isBase" | "wholeOf">) =>
  wholeOf === undefined ? { adapter: run } : { model: isBase ? wholeOf : run };
