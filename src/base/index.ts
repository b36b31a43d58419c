export {
  aFunction,
  aList,
  aName,
  aNumber,
  anObject,
  aSwitch,
  aText,
  aWhole,
  type Check,
  checkArguments,
  having,
  isObject,
  listOf,
  names,
  oneOf,
  optional,
  options,
  signal,
  takes,
  texts,
} from "./arguments.js";
export type { CallContext, DownloadProgress } from "./callContext.js";
export { isLinkedChild, isOnPath, onParentExit, spawnLinked, spawnLinkedChild } from "./childProcess.js";
export { argmax, byCodePoint, evenSizes, firstRepeated, given, numbersOf, own } from "./collections.js";
export {
  BidoraError,
  type ErrorParts,
  INTERRUPTED,
  isShownElsewhere,
  named,
  showElsewhere,
  UsageError,
} from "./errors.js";
export {
  isFolder,
  makeFolder,
  readTextFile,
  refuseSpecialFile,
  sizeOf,
  statOf,
  writeFailure,
} from "./fileSystem.js";
export {
  formatBytes,
  formatCount,
  formatNumber,
  formatSeconds,
  formatTime,
  kebabCase,
  shellLine,
  someOf,
  words,
  wrap,
} from "./format.js";
export {
  ADAPTER_CONFIG,
  ADAPTER_WEIGHTS,
  CHAT_TEMPLATE,
  CONFIG_FILE,
  GENERATION_CONFIG,
  MODULE_FOLDERS,
  ONNX_FOLDER,
  SENTENCE_TRANSFORMERS,
  TOKENIZER_FILES,
  TOKENIZER_SPECS,
  type TokenizerFile,
  WEIGHTS_FILE,
  WEIGHTS_INDEX,
} from "./huggingFaceFiles.js";
export {
  BUNDLED,
  buildDigest,
  CACHE_SETTING,
  type Environment,
  HINTED_COMMAND,
  isBundled,
  isClone,
  OWN_CACHE_SETTING,
  ownCacheFolder,
  ownCommand,
  PLATFORM_PACKAGE,
  packageRoot,
  packageVersion,
  peerVersion,
  platformPackageFolder,
  platformPackages,
  setupCommandLine,
  userCache,
} from "./installation.js";
export { duplicateKey, duplicateKeyIn } from "./keys.js";
export {
  didYouMean,
  nearestSpelling,
  oneLine,
  printable,
  printableJson,
  shown,
  shownPath,
  showPathAs,
} from "./messages.js";
export { exactPattern, fullMatch, groupAt } from "./patterns.js";
export { listenAt, requirePort } from "./ports.js";
export { require, yaml } from "./require.js";
export { PHASES, type Phase, stopsByValidation } from "./run.js";
export { firstFault, type Schema } from "./schema.js";
export { seededGenerator, shuffler, uniforms } from "./seededGenerator.js";
export { ResultStream } from "./stream.js";
export { wholeRecord } from "./wholeRecord.js";
