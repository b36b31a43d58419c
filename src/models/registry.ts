import { didYouMean } from "../common/nearest.js";
import type { JsonObject } from "../io/json.js";
import type { Architecture } from "./architecture.js";
import { bert } from "./bert.js";
import { configError } from "./configReader.js";
import { camembert, roberta, xlmRoberta } from "./roberta.js";

/** The `model_type`s of config.json that can be loaded. */
export type ModelType = "bert" | "roberta" | "xlm-roberta" | "camembert";

export const ARCHITECTURES: Readonly<Record<ModelType, Architecture>> = {
  bert,
  roberta,
  "xlm-roberta": xlmRoberta,
  camembert,
};

/** The architecture that a `config.json` names. @throws BidoraError `CONFIG` that lists the supported ones */
export function architectureOf(config: JsonObject): Architecture {
  const type = config.model_type;
  if (typeof type === "string" && isModelType(type)) return ARCHITECTURES[type];
  const known = Object.keys(ARCHITECTURES);
  const what = type === undefined ? "model_type is missing" : `model_type ${JSON.stringify(type)} is not supported`;
  const hint = typeof type === "string" ? didYouMean(type, known) : "";
  throw configError(`${what}; supported are ${known.join(", ")}.${hint}`);
}

function isModelType(type: string): type is ModelType {
  return Object.hasOwn(ARCHITECTURES, type);
}
