// TEMPORARY
import type { Dataset, Example, LoadOptions } from "./index.js";
import { loadTable } from "./load.js";
export type LanguageExample = Example<{ prompt?: string; completion?: string; text?: string }, true>;
export async function loadLanguage(file: string, options: LoadOptions): Promise<Dataset<LanguageExample>> {
  const table = await loadTable(file, options);
  return {
    examples: table.rows.map((row) => ({
      input: row.values as never,
      label: true as const,
      at: { file, line: row.line },
    })),
    labelNames: undefined,
  };
}
