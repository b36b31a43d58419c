/**
 * The registry of named metrics, those of one number per example (a class id or a score): each line here makes a metric public and gives it
 * a name for data sets and tasks, which is the function's in kebab case.
 */
export { balancedAccuracy } from "./balancedAccuracy.js";
export { accuracy, f1, macroF1, matthewsCorrelation, precision, recall } from "./classes.js";
export { meanSquaredError, pearson, spearman } from "./numbers.js";
