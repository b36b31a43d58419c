export { anchoredColumns, type EmbeddingExample } from "./embeddingExamples.js";
export { type Dataset, type Example, type Location, type TextExample, type WordsExample, where } from "./example.js";
export { countShared, exampleKey, keysOfSplits, sampleOf, wholeKey } from "./exampleKeys.js";
export { parseObject } from "./files/tableFiles.js";
export { readLines, rowError } from "./files/textFile.js";
export { LabelMap, labelMap } from "./labels.js";
export {
  type LanguageExample,
  type LanguageInput,
  loadLanguage,
  promptList,
  type TextOrMessages,
  textOrMessages,
} from "./languageExamples.js";
export {
  formsOfFile,
  type LabelForm,
  type LoadRowsOptions,
  labeledRows,
  loadTable,
  loadTexts,
  loadWords,
  ROW_FORMATS,
} from "./loadExamples.js";
export { countNested } from "./nestedRows.js";
export { BatchOrder, batchesPerPass, type OrderState, type RowSeed } from "./order.js";
export { type Answer, loadQuestions, type QuestionExample } from "./questions.js";
export {
  byPrompt,
  examplesByPrompt,
  examplesOfPrompts,
  loadReferences,
  promptsWithReferences,
  type References,
} from "./references.js";
export type { RerankingExample } from "./rerankingExamples.js";
export { readSources, type Sources } from "./sources.js";
export { countOfShare, foldsForSearch, splitForSearch, subsetsOf } from "./subsets.js";
export {
  hasDecimalComma,
  isAbsent,
  type RowSource,
  readName,
  readNumber,
  rowsTable,
  type Table,
  type TableRow,
  usualLabelColumns,
  usualTextColumns,
  usualWordsColumn,
  type ValueReader,
} from "./table.js";
