export { aWriting, writings } from "./arguments.js";
export { readE2e } from "./e2eNlg.js";
export {
  encodeLanguageRows,
  encodePrompts,
  type LanguageEncoding,
  type LanguageTokens,
  TRAIN_ON,
  type TrainOn,
} from "./encodeLanguage.js";
export {
  CALL,
  type Dataset,
  type Example,
  type Location,
  type TextExample,
  type WordsExample,
  where,
} from "./example.js";
export { readGlue } from "./glue.js";
export type { GlueSet } from "./glueSet.js";
export { LabelMap, labelMap, modelLabels, positiveLabel } from "./labels.js";
export { type LanguageExample, type LanguageInput, loadLanguage, type Writing } from "./languageRows.js";
export { type LoadOptions, loadTable, loadTexts, loadWords } from "./load.js";
export {
  byPrompt,
  loadReferences,
  type Meaning,
  meaningsOf,
  type References,
  rowsByPrompt,
  rowsOfPrompts,
} from "./meanings.js";
export { namingRow } from "./namingRow.js";
export { BatchOrder, batchesPerPass, type OrderState } from "./order.js";
export { type ProteinSet, proteinSplits, readProteins } from "./proteins.js";
export { uniforms } from "./random.js";
export { type ReutersSplit, readReuters } from "./reuters.js";
export type { Split } from "./setFolder.js";
export { foldsForSearch, splitForSearch } from "./split.js";
export { type Answer, loadQuestions, type QuestionExample, sliceOf } from "./squad.js";
export { readSquad } from "./squadSet.js";
export { type SubsetOptions, type Subsets, subsetsOf } from "./subsets.js";
export type { Table, TableRow } from "./table.js";
export type { LabelForm } from "./tableExamples.js";
export { rowError } from "./textFile.js";
export { readLabels, readName, readNumber, readStrings, type ValueReader } from "./values.js";
export { readWordsSet, tagNames, type WordsSet, wordsSetSplits } from "./wordsSet.js";
