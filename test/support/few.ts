import { inject } from "vitest";

declare module "vitest" {
  export interface ProvidedContext {
    cases: "few" | "all";
  }
}

/**
 * Some of the cases in `npm test`, evenly spread with the first and the last; all of them in `npm run test:slow`, where a file that
 * calls this runs again.
 */
export function few<T>(cases: readonly T[], count: number): T[] {
  if (inject("cases") === "all" || cases.length <= count) return [...cases];
  const places = Array.from({ length: count }, (_, i) => Math.round((i * (cases.length - 1)) / Math.max(count - 1, 1)));
  return cases.filter((_, i) => places.includes(i));
}
