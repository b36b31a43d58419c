export { anchoredColumns, type EmbeddingExample } from "./embeddingRows.js";
export { type Dataset, type Example, type Location, type TextExample, type WordsExample, where } from "./example.js";
export { LabelMap, labelMap } from "./labels.js";
export {
  type LanguageExample,
  type LanguageInput,
  loadLanguage,
  promptList,
  type TextOrMessages,
  textOrMessages,
} from "./languageRows.js";
export { formsOfFile, type LabelForm, type LoadRowsOptions, loadTable, loadTexts, loadWords } from "./loadRows.js";
export { BatchOrder, batchesPerPass, type OrderState } from "./order.js";
export { type Answer, loadQuestions, type QuestionExample } from "./questions.js";
export {
  byPrompt,
  loadReferences,
  promptsWithReferences,
  type References,
  rowsByPrompt,
  rowsOfPrompts,
} from "./references.js";
export { countShared, keysOfSplits, sampleOf } from "./rowIdentity.js";
export { foldsForSearch, splitForSearch, subsetsOf } from "./subsets.js";
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
export { readLines, rowError } from "./textFile.js";
export { labeledRows } from "./unlabeled.js";
