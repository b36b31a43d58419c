/**
 * The library: the commands as functions, and the parts that they are built from.
 *
 * - The commands are functions: `finetune`, `evaluate`, `predict`, `generate`, `compare`, `estimate`, `preview`, `merge`, `exportModel`,
 *   `config`, `inspect`, `analyze`, `report`. Each takes settings, which are the command's flags in camelCase (docs/options.md explains
 *   them), and hooks, such as a signal that ends it. `train` is `finetune` as a loop over the run's events.
 * - `load` opens a model that predicts and generates until it is disposed of.
 * - Models and adapters: load a model, inject an adapter, eject, merge and save it; a custom method is a value.
 * - Tasks and rows: inputs, targets, losses and metrics; a custom task is a value.
 * - `torch`, `nn`, `optim` and `metrics`: for custom forward passes, backward passes and optimizer steps.
 *
 * @packageDocumentation
 */

declare global {
  // These merge with what Node's types and the DOM declare, so that the types of this package need neither.
  interface AbortSignal {}
  interface URL {}
  interface SymbolConstructor {
    readonly dispose: unique symbol;
    readonly asyncDispose: unique symbol;
  }
}

// The commands as functions.

export { type AnalyzeResult, type AnalyzeSettings, analyze } from "./commands/analyze.js";
export type { Hooks } from "./commands/command.js";
export { type CompareOutcome, type CompareSettings, compare } from "./commands/compare.js";
export { type ConfigSettings, config, type ResolvedSetting, type ResolvedSettings } from "./commands/config.js";
export { type EstimateSettings, estimate } from "./commands/estimate.js";
export { type EvaluateResult, type EvaluateSettings, evaluate } from "./commands/evaluate.js";
export { type ExportResult, type ExportSettings, exportModel } from "./commands/export.js";
export { type FinetuneResult, type FinetuneSettings, finetune, train } from "./commands/finetune.js";
export { generate } from "./commands/generate.js";
export { type InspectResult, type InspectSettings, inspect } from "./commands/inspect.js";
export { type LoadSettings, load } from "./commands/load.js";
export { type Merged, type MergeSettings, merge } from "./commands/merge.js";
export { type MineResult, type MineSettings, mine } from "./commands/mine.js";
export { type PredictSettings, predict } from "./commands/predict.js";
export { type Preview, type PreviewPart, type PreviewRow, type PreviewSettings, preview } from "./commands/preview.js";
export { type ReportSettings, report } from "./commands/report.js";
export { type ServeSettings, serve } from "./commands/serve.js";
export { type Verification, type VerifySettings, verifyHypergradient } from "./commands/verifyHypergradient.js";
export type { DownloadProgress } from "./common/callContext.js";
export { BidoraError, type ErrorParts, UsageError } from "./common/errors.js";
export type { Schema } from "./common/schema.js";
export type { ResultStream } from "./common/stream.js";
export type { ExpectedCost, ExpectedCosts } from "./comparison/expectedCosts.js";
export type { ComparisonResult } from "./comparison/results.js";
export type { GenerateSettings, Method, RunSettings } from "./config/index.js";
export type { DtypeError } from "./export/onnx/dtypes/errors.js";
export type { OnnxDtypeName } from "./export/onnx/dtypes.js";
export type { OnnxFile } from "./export/onnx/exportModel.js";
export type {
  AgainstFull,
  Analysis,
  AnalyzedFits,
  AnalyzedLayer,
  AnalyzedRun,
  AnalyzedStep,
  LineFit,
} from "./files/analysis.js";
export type {
  BootstrapTest,
  ComparedMetric,
  ComparedRun,
  ComparedTask,
  ComparisonFile,
  Cost,
  FailedRun,
  JoinedTasks,
  PairedEffect,
  Population,
  RowGroup,
  RunId,
  ScoredRows,
  ScoreReached,
  SharedRows,
  SignificanceTest,
  SummaryEntry,
  TriedPoint,
  UnfinishedRun,
  WilcoxonTest,
} from "./files/comparison.js";
export type {
  CheckpointEvent,
  DoneEvent,
  ErrorEvent,
  EvaluationEvent,
  MachineFacts,
  MagnitudesEvent,
  ParameterCounts,
  Phase,
  RowCounts,
  RunEvent,
  SettingSource,
  StartEvent,
  StepEvent,
  Versions,
} from "./files/events.js";
export type { MetricRows, Metrics } from "./files/metrics.js";
export type { Finish, Generated, GeneratedPiece, JsonSchema, NextTokens } from "./generation/index.js";
export type {
  AdapterInspection,
  AdapterSettings,
  Contents,
  Inspection,
  ModelInspection,
  TensorFacts,
} from "./inference/inspection.js";
export type {
  CallHooks,
  InputRow,
  Model,
  ModelGenerateSettings,
  ModelPredictSettings,
} from "./inference/model.js";
export type { Prediction } from "./inference/predictions.js";
export type { EngineName, EngineVerdict } from "./inference/programs/index.js";
export type { Verdict } from "./inference/programs/verdict.js";
export type { GeneratedRow } from "./inference/textGenerator.js";
export type { HubOptions } from "./io/hub/options.js";
export { resolveModel } from "./io/resolveModel.js";
export type { Estimate } from "./run/estimates/measureRun.js";
export type { Kind } from "./settings/kinds.js";
export type { AppliesWhen } from "./settings/option.js";
export { CheckpointRequest } from "./train/checkpoints.js";
export type { EstimatorComparison, EstimatorResult, ImplicitTarget } from "./train/hypergradients/compareEstimators.js";

// Models.

export type { JsonObject, JsonValue } from "./files/json.js";
export { type Checkpoint, openCheckpoint } from "./io/checkpoint.js";
export type { PackedTensor } from "./io/packedTensor.js";
export type { TensorInfo } from "./io/safetensorsHeader.js";
export type { EmbeddingFormat, Pooling } from "./io/sentenceTransformers.js";
export type { Weights } from "./io/weights.js";
export {
  type Architecture,
  type Backbone,
  type Head,
  type HeadDesign,
  type HeadKind,
  type LoadedModel,
  type LoadModelOptions,
  loadModel,
  type ModelConfig,
  type ModelInput,
  modelInput,
  type Reads,
  type TaskModel,
} from "./models/index.js";
export {
  type ChatTemplate,
  type DecodeOptions,
  type Encoded,
  type EncodedWords,
  loadTokenizer,
  type Message,
  type RenderedChat,
  type RenderOptions,
  type TextPart,
  type Texts,
  type TextTokens,
  type TokenizeOptions,
  type Tokenizer,
  type Window,
} from "./text/index.js";

// Adapters.

export {
  type AdaptedLayer,
  type AdaptedModel,
  type AdaptedModule,
  Adapter,
  type AdapterConfig,
  type AdapterMetadata,
  type AdapterMethodName,
  type AdapterOrigin,
  attachAdapter,
  type DoraConfig,
  doraConfig,
  eject,
  type FinishedStep,
  type InjectOptions,
  inject,
  type Layer,
  type LayerFacts,
  type LayerPart,
  type LoraConfig,
  LowRank,
  type LowRankConfig,
  type LowRankFactors,
  loraConfig,
  type MagnitudeAxis,
  type ModelDefaults,
  mergedParameters,
  type NewModules,
  type NormGradient,
  type Pattern,
  readAdapter,
  type SavedAdapter,
  type SavedState,
  type Slot,
  type SlotBase,
  type StoredMetadata,
  savedState,
  savedTensors,
  TARGET_DEFAULTS,
  type TargetedConfig,
  type TargetModules,
  type TensorSpec,
  type TrainedRole,
  type TrainedTensor,
  type TrainingHooks,
  targetSlots,
  writeAdapter,
} from "./adapters/index.js";

// Tasks and rows.

export {
  type Answer,
  type Dataset,
  type Example,
  type LabelForm,
  LabelMap,
  type LanguageExample,
  type LanguageInput,
  type LoadRowsOptions,
  type Location,
  loadLanguage,
  loadQuestions,
  loadTexts,
  loadWords,
  type QuestionExample,
  type RowSource,
  readName,
  readNumber,
  type Table,
  type TableRow,
  type TextExample,
  type TextOrMessages,
  type ValueReader,
  type WordsExample,
} from "./data/index.js";
export {
  type Evaluation,
  type EvaluationOptions,
  evaluateRows,
  type OnPrediction,
} from "./evaluation/evaluateRows.js";
export type { RunningServer } from "./server/serve.js";
export {
  type Batch,
  batchOf,
  type ClassPrediction,
  type ClassRow,
  type EmbeddedText,
  type EmbeddingLossName,
  type EmbeddingSettings,
  type EncodedRow,
  type EncodeOptions,
  type EvaluatedSplits,
  encodeRows,
  type LabelsPrediction,
  type LabelsRow,
  lossSum,
  lossWeight,
  type MetricName,
  multiLabelClassification,
  type NamedTask,
  type NumberPrediction,
  type NumberRow,
  type Problem,
  questionAnswering,
  type RowEncoding,
  type RowOutputs,
  type RowPrediction,
  regression,
  type Scorer,
  type ScorerOptions,
  type SpanPrediction,
  type SpanRow,
  sequenceClassification,
  type Task,
  type TaskKind,
  type TaskSource,
  type Together,
  type TrainedHead,
  tokenClassification,
  type VocabularySizes,
  type WordsPrediction,
  type WordsRow,
} from "./tasks/index.js";

// For custom training loops.

/** Measures over a stream of rows. */
export * as metrics from "./metrics/index.js";
/** Modules with parameters named by path, attention, and losses that give sums. */
export * as nn from "./nn/index.js";
/** Optimizers as values, learning-rate schedules, and clipping. */
export * as optim from "./optim/index.js";
/** Search over embeddings: the nearest documents, ranks of the relevant ones, hard negatives. */
export * as retrieval from "./retrieval/index.js";
/** libtorch: tensors, scopes that release them, gradients, generators, and the operators by torch's names in camelCase. */
export * as torch from "./torch/index.js";
