export { readConll, readConllu } from "./conll.js";
export { anchoredColumns, type EmbeddingExample, loadEmbeddingRows, type PairLabel } from "./embeddingRows.js";
export { type Dataset, type Example, type Location, type TextExample, type WordsExample, where } from "./example.js";
export { byCodePoint, LabelMap, labelMap, modelLabels, positiveLabel } from "./labels.js";
export {
  type LanguageExample,
  type LanguageInput,
  loadLanguage,
  promptList,
  type TextOrMessages,
  textOrMessages,
} from "./languageRows.js";
export {
  formsOfFile,
  type LabelForm,
  type LoadRowsOptions,
  loadTable,
  loadTexts,
  loadWords,
  wordsExamples,
} from "./loadRows.js";
export { BatchOrder, batchesPerPass, type OrderState } from "./order.js";
export { type Answer, codePointSlice, loadQuestions, type QuestionExample } from "./questions.js";
export {
  byPrompt,
  loadReferences,
  type PromptWithReferences,
  promptsWithReferences,
  type References,
  rowsByPrompt,
  rowsOfPrompts,
} from "./references.js";
export { countShared, keysOfSplits, sampleOf } from "./rowIdentity.js";
export { foldsForSearch, type SubsetOptions, type Subsets, splitForSearch, subsetsOf } from "./subsets.js";
export {
  fail,
  hasDecimalComma,
  isAbsent,
  type RowSource,
  readLabels,
  readName,
  readNumber,
  readStrings,
  readText,
  rowsTable,
  type Table,
  type TableRow,
  usualLabelColumns,
  usualTextColumns,
  usualWordsColumn,
  type ValueReader,
} from "./table.js";
export { readPlainTsv } from "./tableFiles.js";
export { emptyFile, fileError, readLines, rowError } from "./textFile.js";
export { labeledRows } from "./unlabeled.js";
