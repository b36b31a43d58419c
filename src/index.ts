/** The library: fine-tuning, evaluation and prediction as the command line does them, and the parts they are made of. */
export {
  type AdaptedModel,
  attachAdapter,
  doraConfig,
  inject,
  loraConfig,
  readAdapter,
  writeAdapter,
} from "./adapters/index.js";
export { BidoraError, UsageError } from "./common/errors.js";
export { type Method, type RunConfig, type RunSettings, resolveRun } from "./config/index.js";
export { resolveModel } from "./io/resolveModel.js";
export { loadModel, type TaskModel } from "./models/index.js";
export { type FinetuneOptions, type FinetuneResult, finetune } from "./run/finetune.js";
export { inferTask, TASKS } from "./tasks/index.js";
export { loadTokenizer, type Tokenizer } from "./text/index.js";
export type { Metrics, RunEvent } from "./train/events.js";
