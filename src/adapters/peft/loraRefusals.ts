import { BidoraError } from "../../common/errors.js";
import type { JsonObject } from "../../files/json.js";
import { isOn, refusedLayers } from "./targetKeys.js";

/** Ways to start A and B that leave the base weights as they are. */
const ADDITIVE_STARTS: readonly unknown[] = [true, false, null, "gaussian", "eva", "orthogonal", "mica"];

/** Variants of LoRA that compute something else than W0 + s·B·A, by the key that turns them on, with what they do. */
const VARIANTS: Readonly<Record<string, string>> = {
  alora_invocation_tokens: "an activated LoRA acts only after its invocation tokens",
  arrow_config: "Arrow routes each token through several adapters",
  ensure_weight_tying: "the adapters of tied layers share their tensors",
  kasa_config: "KaSA replaces the base weights by truncated ones",
  layer_replication: "the base's layers are repeated",
  megatron_config: "the base is split by Megatron",
  monteclora_config: "MonteCLoRA samples its weights",
  target_parameters: "it adapts bare parameters, not layers",
  trainable_token_indices: "it retrains single rows of an embedding",
  use_bdlora: "BD-LoRA stores block-diagonal matrices",
  use_qalora: "QALoRA sums its input in groups",
  velora_config: "VeLoRA compresses the layers' inputs",
};

/**
 * Refuses what would be computed wrongly, each with its reason.
 * @param config the file's keys, with defaults for absent ones
 * @throws BidoraError `ADAPTER_CONFIG`
 */
export function refuseUnsupported(file: string, config: JsonObject): void {
  const why = refusalOf(config);
  if (why !== undefined) throw new BidoraError("ADAPTER_CONFIG", `${file}: ${why}.`);
}

function refusalOf(config: JsonObject): string | undefined {
  const { init_lora_weights: start, use_dora: dora, lora_bias: bBias } = config;
  if (!ADDITIVE_STARTS.includes(start ?? null)) return changedBase(start);
  for (const [key, reason] of Object.entries(VARIANTS)) {
    if (isOn(config[key])) return unsupported(key, reason);
  }
  if (dora === true && bBias === true)
    return "use_dora and lora_bias exclude each other, in PEFT too: one of them must be false";
  return refusedLayers(config);
}

function changedBase(start: unknown): string {
  return (
    `init_lora_weights is ${JSON.stringify(start)}, which changes the base weights before training, so that the adapter does not fit ` +
    "the plain base: save it in PEFT with path_initial_model_for_weight_conversion, or merge it there"
  );
}

function unsupported(key: string, reason: string): string {
  return `${key} is set (${reason}), which is not supported: merge the adapter in PEFT with merge_and_unload() and use the merged model`;
}
