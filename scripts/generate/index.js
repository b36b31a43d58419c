// Writes every generated file; with --check only compares, and exits with status 1 if one is out of date.
// Usage: npm run generate   or   npm run generated
for (const part of [
  "operators",
  "options-doc",
  "support-table",
  "datasets-doc",
  "dependencies-doc",
  "run-schema",
  "results",
  "agent-docs",
])
  await import(`./${part}.js`);
