/** The page that runs an exported model in a browser: examples/web, with the model and transformers.js beside it. */
import { existsSync, readdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { isFolder, packageRoot } from "../../../base/index.js";
import type { FinishedRun } from "../answers/finishedRuns.js";
import type { Exported } from "./exported.js";
import type { ZippedFile } from "./zip.js";

/** The address under which pages with models are. */
export const WEB_PAGES = "/take/web/";

const PAGE = join(packageRoot, "examples", "web");
const PAGE_FILES = ["index.html", "main.js"];
export const TRANSFORMERS = "@huggingface/transformers";
const RUNTIME = "onnxruntime-web";
/** Of onnxruntime-web, what transformers.js may load. */
const LOADED = /^ort-wasm-simd-threaded[.\w]*\.(mjs|wasm)$/;

/** The tasks that the page knows. */
const TASKS: readonly string[] = [
  "sequence-classification",
  "multi-label-classification",
  "token-classification",
  "causal-lm",
  "preference",
  "embedding",
];

/** Why a run's model can't run in the page; undefined if it can. */
export function whyNoPage({ task, metadata }: FinishedRun): string | undefined {
  if (!TASKS.includes(task)) return `The page has no form for ${task}.`;
  const isPair = (task.includes("sequence") || task.includes("multi")) && metadata.textColumns?.length === 2;
  return isPair ? "The page takes one text, and this model takes pairs." : undefined;
}

/** A package that is installed for the studio's folder or for bidora. */
function findPackage(name: string, folder: string): string | undefined {
  const places = [folder, packageRoot].flatMap((from) => above(from).map((place) => join(place, "node_modules", name)));
  return places.find(isFolder);
}

const above = (folder: string): string[] =>
  dirname(folder) === folder ? [folder] : [folder, ...above(dirname(folder))];

/** The files that the page loads besides the model, by their paths beside it; undefined if they are not installed. */
export function runtimeFiles(folder: string): ZippedFile[] | undefined {
  const transformers = findPackage(TRANSFORMERS, folder);
  const nested = transformers && join(transformers, "node_modules", RUNTIME);
  const runtime = nested !== undefined && isFolder(nested) ? nested : findPackage(RUNTIME, folder);
  const script = transformers && join(transformers, "dist", "transformers.min.js");
  if (script === undefined || runtime === undefined || !existsSync(script)) return undefined;
  const parts = readdirSync(join(runtime, "dist")).filter((name) => LOADED.test(name));
  const licenses = [
    [TRANSFORMERS, join(transformers!, "LICENSE")],
    [RUNTIME, join(runtime, "LICENSE")],
  ] as const;
  return [
    { name: `node_modules/${TRANSFORMERS}/dist/transformers.min.js`, path: script },
    ...parts.map((name) => ({ name: `node_modules/${RUNTIME}/dist/${name}`, path: join(runtime, "dist", name) })),
    ...licenses
      .filter(([, path]) => existsSync(path))
      .map(([name, path]) => ({ name: `node_modules/${name}/LICENSE`, path })),
  ];
}

/** All files of the page with a model, by their paths in its folder. Without transformers.js if that is not installed. */
export const pageFiles = ({ files }: Exported, folder: string): ZippedFile[] => [
  ...PAGE_FILES.map((name) => ({ name, path: join(PAGE, name) })),
  ...files.map(({ name, path }) => ({ name: `model/${name}`, path })),
  ...(runtimeFiles(folder) ?? []),
];
