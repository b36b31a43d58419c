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

export type { Hooks } from "./app/commands/index.js";
export {
  type AnalyzeResult,
  type AnalyzeSettings,
  analyze,
  type CompareOutcome,
  type CompareSettings,
  type ConfigSettings,
  compare,
  config,
  type EstimateSettings,
  type EvaluateResult,
  type EvaluateSettings,
  type ExportResult,
  type ExportSettings,
  estimate,
  evaluate,
  exportModel,
  type FinetuneResult,
  type FinetuneSettings,
  finetune,
  generate,
  type InspectSettings,
  inspect,
  type LoadSettings,
  load,
  type Merged,
  type MergeSettings,
  type MineResult,
  type MineSettings,
  merge,
  mine,
  type PredictSettings,
  type Preview,
  type PreviewPart,
  type PreviewRow,
  type PreviewSettings,
  predict,
  preview,
  type ReportSettings,
  type ResolvedSetting,
  type ResolvedSettings,
  report,
  type ServeSettings,
  serve,
  train,
  type Verification,
  type VerifySettings,
  verifyHypergradient,
} from "./app/commands/index.js";
export type { DownloadProgress, ResultStream, Schema } from "./base/index.js";
export { BidoraError, type ErrorParts, UsageError } from "./base/index.js";
export type {
  AgainstFull,
  Analysis,
  AnalyzedFits,
  AnalyzedLayer,
  AnalyzedRun,
  AnalyzedStep,
  BaselineScore,
  BootstrapTest,
  CheckpointEvent,
  ComparedMetric,
  ComparedRun,
  ComparedTask,
  ComparisonFile,
  Competitor,
  Cost,
  CurvePoint,
  CurveRun,
  CurveSummary,
  DoneEvent,
  EquivalenceTest,
  ErrorEvent,
  EvaluationEvent,
  FailedRun,
  Frozen,
  JoinedTasks,
  LineFit,
  MachineFacts,
  MagnitudesEvent,
  MethodPair,
  MethodSlopes,
  MetricRows,
  Metrics,
  PairedEffect,
  ParameterCounts,
  Phase,
  Population,
  PredictedRow,
  RowCounts,
  RowGroup,
  RowTest,
  RunEvent,
  RunId,
  ScoredRows,
  ScoreReached,
  SettingSource,
  SharedRows,
  SignificanceTest,
  SlopeSpread,
  StartEvent,
  StepEvent,
  SummaryEntry,
  TaskAverage,
  TriedPoint,
  TwoLevelTest,
  UnfinishedRun,
  VarianceEntry,
  Versions,
  WilcoxonTest,
} from "./base/records/index.js";
export type { AppliesWhen, Kind } from "./base/settings/index.js";
export type { HubOptions } from "./formats/hub/index.js";
export { resolveModel } from "./formats/index.js";
export type { Finish, Generated, GeneratedPiece, JsonSchema, NextTokens } from "./models/generation/index.js";
export type { ComparisonResult, ExpectedCost, ExpectedCosts } from "./studies/comparison/index.js";
export type { GenerateSettings, Method, RunSettings } from "./tasks/config/index.js";
export type { Estimate } from "./training/estimates/index.js";
export type { EstimatorComparison, EstimatorResult, ImplicitTarget } from "./training/hypergradients/index.js";
export { CheckpointRequest } from "./training/index.js";
export type { DtypeError, OnnxDtypeName, OnnxFile } from "./use/export/index.js";
export type {
  AdapterInspection,
  AdapterSettings,
  AnswerPiece,
  CallHooks,
  Contents,
  GeneratedRow,
  InputRow,
  Inspection,
  Model,
  ModelGenerateSettings,
  ModelInspection,
  ModelPredictSettings,
  Prediction,
  TensorFacts,
} from "./use/inference/index.js";
export type { CallPiece, ReadCall, ToolChoice } from "./use/toolCalls/index.js";

// Models.

export type { JsonObject, JsonValue } from "./base/records/index.js";
export type {
  CrossEncoderFormat,
  EmbeddingFormat,
  PackedTensor,
  Pooling,
  ScoreActivation,
  Weights,
} from "./formats/index.js";
export { type Checkpoint, openCheckpoint } from "./formats/index.js";
export type { TensorInfo } from "./formats/safetensors/index.js";
export {
  type Architecture,
  type Backbone,
  type Head,
  type HeadDesign,
  type HeadKind,
  type InitialWeights,
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
  type Conversation,
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
  type TokenizerOptions,
  type Tool,
  type ToolCall,
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
  type LossFacts,
  LowRank,
  type LowRankConfig,
  type LowRankFactors,
  type LowRankMatrices,
  loraConfig,
  type MagnitudeAxis,
  type ModelDefaults,
  mergedParameters,
  type NewModules,
  type NormGradient,
  type Pattern,
  readAdapter,
  type SavedAdapter,
  type SavedStart,
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
} from "./models/adapters/index.js";

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
} from "./tasks/data/index.js";
export {
  type Batch,
  batchOf,
  type ClassPrediction,
  type ConstantPredictor,
  type ContrastiveTask,
  type EmbeddedText,
  type EmbeddingLossName,
  type EmbeddingSettings,
  type EncodedExample,
  type EncodedQuestionExample,
  type EncodedWordsExample,
  type EncodeOptions,
  type EvaluatedSplits,
  type ExampleEncoding,
  type ExampleOutputs,
  type ExamplePart,
  type ExamplePrediction,
  encodeExamples,
  type LabelsPrediction,
  lossSum,
  lossWeight,
  type MetricName,
  multiLabelClassification,
  type NamedTask,
  type NumberPrediction,
  type PreferenceLossName,
  type PreferenceSettings,
  type Problem,
  questionAnswering,
  type RewardSettings,
  regression,
  type ScorePrediction,
  type Scorer,
  type ScorerOptions,
  type SpanPrediction,
  sequenceClassification,
  type Task,
  type TaskKind,
  type TaskSettings,
  type TaskSource,
  type Together,
  type TrainedHead,
  tokenClassification,
  type VocabularySizes,
  type WordsPrediction,
} from "./tasks/index.js";
export {
  type Evaluation,
  type EvaluationOptions,
  evaluateRows,
  type OnPrediction,
  type WeightedLoss,
} from "./use/evaluation/index.js";
export type { RunningServer } from "./use/server/index.js";

// For custom training loops.

/** Modules with parameters named by path, attention, and losses that give sums. */
export * as nn from "./models/nn/index.js";
/** Measures over a stream of rows. */
export * as metrics from "./tasks/metrics/index.js";
/** Search over embeddings: the nearest documents, ranks of the relevant ones, hard negatives. */
export * as retrieval from "./tasks/retrieval/index.js";
/** libtorch: tensors, scopes that release them, gradients, generators, and the operators by torch's names in camelCase. */
export * as torch from "./torch/index.js";
/** Optimizers as values, learning-rate schedules, and clipping. */
export * as optim from "./torch/optim/index.js";
