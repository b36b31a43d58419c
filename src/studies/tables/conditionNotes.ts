// Under which conditions the runs of a comparison were made, and with which settings, as notes below the tables.
import { group } from "d3-array";
import { CONDITIONS, type ComparedRun, type Comparison, type Competitor } from "../../base/records/index.js";

type Condition = keyof typeof CONDITIONS;

/** One note on the conditions that all runs share, one for each other condition, and one for each method with settings of its own. */
export const conditionNotes = (comparison: Comparison): string[] => [
  ...sharedNote(comparison),
  ...differingNotes(comparison),
  ...settingNotes(comparison),
];

const keys = Object.keys(CONDITIONS) as Condition[];

const lower = (name: string): string => name.charAt(0).toLowerCase() + name.slice(1);

interface Held extends Pick<ComparedRun, "task" | "method"> {
  readonly value: string;
}

const held = ({ runs }: Comparison, key: Condition): Held[] =>
  runs.flatMap(({ task, method, conditions }) => {
    const value = conditions?.[key];
    return value === undefined ? [] : [{ task, method, value: String(value) }];
  });

const valuesOf = (some: readonly Held[]): string[] => [...new Set(some.map(({ value }) => value))];

function sharedNote(comparison: Comparison): string[] {
  const shared = keys.flatMap((key) => {
    const [value, ...others] = valuesOf(held(comparison, key));
    return value === undefined || others.length > 0 ? [] : [`${lower(CONDITIONS[key])} ${value}`];
  });
  return shared.length === 0 ? [] : [`Conditions: ${shared.join(", ")}.`];
}

function differingNotes(comparison: Comparison): string[] {
  return keys.flatMap((key) => {
    const all = held(comparison, key);
    if (valuesOf(all).length < 2) return [];
    const byValue = [...group(all, ({ value }) => value)];
    const shown = byValue.map(([value, some]) => `${value} (${whereHeld(some, all)})`);
    return [`${CONDITIONS[key]}: ${shown.join(", ")}.`];
  });
}

/** The runs with a value: methods where it is the same on all tasks, tasks where all methods have it, else both. */
function whereHeld(some: readonly Held[], all: readonly Held[]): string {
  const texts = [
    ({ method }: Held) => method,
    ({ task }: Held) => task,
    ({ task, method }: Held) => `${method} on ${task}`,
  ];
  const isDecidedBy = (textOf: (one: Held) => string) =>
    [...group(all, textOf).values()].every((alike) => valuesOf(alike).length === 1);
  return [...new Set(some.map(texts.find(isDecidedBy)!))].join(", ");
}

/** The settings in which methods differ; a method that has what all others have gets no note. */
function settingNotes({ competitors = [] }: Comparison): string[] {
  const settingText = ({ settings, byTask = [] }: Competitor, key: string): string => {
    const value = settings[key];
    return byTask.includes(key) ? "by task" : typeof value === "string" ? value : JSON.stringify(value);
  };
  const isShared = (key: string): boolean => {
    const values = new Set(competitors.map((one) => settingText(one, key)));
    return values.size < 2 && !competitors.some(({ byTask }) => byTask?.includes(key));
  };
  return competitors.flatMap((one) => {
    const own = [...Object.keys(one.settings), ...(one.byTask ?? [])].filter((key) => !isShared(key));
    if (own.length === 0) return [];
    const texts = own.map((key) => `${key} ${settingText(one, key)}`);
    return [`${one.name}: ${one.name === one.method ? "" : `${one.method} with `}${texts.join(", ")}.`];
  });
}
