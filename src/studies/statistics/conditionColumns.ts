import { CONDITIONS, type Comparison } from "../../base/records/index.js";
import { NOTHING, plain, type ResultColumn } from "./renderTable.js";

/** The conditions in which a task's methods differ, one column each. */
export function conditionColumns({ methods, runs }: Comparison, task: string): ResultColumn[] {
  return Object.entries(CONDITIONS).flatMap(([key, title]): ResultColumn[] => {
    const valuesOf = (method: string) =>
      new Set(
        runs.flatMap((run) =>
          run.task === task && run.method === method ? (run.conditions?.[key as keyof typeof CONDITIONS] ?? []) : [],
        ),
      );
    if (new Set(methods.flatMap((method) => [...valuesOf(method)])).size < 2) return [];
    const cells = methods.map((method) => plain([...valuesOf(method)].join(", ") || NOTHING));
    return [{ group: task, title, align: "right", cells }];
  });
}
