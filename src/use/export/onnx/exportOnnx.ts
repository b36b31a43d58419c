/** Exports a model, merged with its adapter if there is one, as a folder that transformers.js opens. */
import { join } from "node:path";
import { makeFolder, ONNX_FOLDER } from "../../../base/index.js";
import { fillFolder, holdOutput, refuseOccupied, removeOwnFiles } from "../../../base/records/index.js";
import type { HubContext } from "../../../formats/hub/index.js";
import type { Pooling } from "../../../formats/index.js";
import { refuseBadWeights, weightsIn } from "../../../models/index.js";
import type { NamedTask } from "../../../tasks/index.js";
import { loadTokenizer, type Tokenizer } from "../../../text/index.js";
import { findModel, foldersOf, noteAdapterTokenizer, trainedTemplate } from "../../inference/open.js";
import type { Exported, ModelToExport } from "../exporting.js";
import { writeConfigFiles } from "./configFiles.js";
import { type DtypeError, dtypeError, float32Metrics, readMeasured } from "./dtypes/errors.js";
import { ONNX_DTYPES, type OnnxDtype, type OnnxDtypeName } from "./dtypes.js";
import { type ExportedModel, graphFamilyOf, graphOf, openToExport } from "./exportedModel.js";
import { MOST_BYTES, writeGraph } from "./graph/writeGraph.js";
import { notesOn } from "./notes.js";

interface OnnxSettings extends ModelToExport {
  readonly task?: "feature-extraction" | "reranking" | undefined;
  readonly dtype?: readonly OnnxDtypeName[] | undefined;
  readonly pooling?: Pooling | undefined;
  /** Rows to measure the error of each dtype on. */
  readonly data?: string | undefined;
}

/** A written graph, with its data files. */
export interface OnnxFile extends Partial<DtypeError> {
  readonly path: string;
  readonly dtype: OnnxDtypeName;
  /** The size of the graph's file and its data files. */
  readonly bytes: number;
}

interface ExportedOnnx extends Exported {
  readonly files: readonly OnnxFile[];
  /** What to know before using it, one sentence each. */
  readonly notes: readonly string[];
}

/**
 * Writes config.json, the tokenizer's files and `onnx/model.onnx`, as transformers.js reads them.
 * @param mostBytes the most bytes of weights in one file
 */
export async function exportOnnx(
  settings: OnnxSettings,
  task: NamedTask | undefined,
  context?: HubContext,
  mostBytes = MOST_BYTES,
): Promise<ExportedOnnx> {
  const found = await findModel(settings, context);
  const family = graphFamilyOf(found.folder);
  return holdOutput(settings.output, async (path) => {
    const rows = settings.data === undefined ? [] : [settings.data];
    refuseOccupied(path, settings.overwrite, [...foldersOf(found), ...rows]);
    const tokenizer = await loadTokenizer(found.folder, { chatTemplate: trainedTemplate(found) });
    const opened = await openToExport(
      found,
      { task, pooling: settings.pooling },
      settings.task === "feature-extraction",
    );
    refuseBadWeights(weightsIn({ folder: found.folder, model: opened.model }));
    await noteAdapterTokenizer(found, tokenizer, opened.task);
    const { graph } = graphOf(family, opened);
    const dtypes = [...new Set(settings.dtype ?? (["fp32"] as const))];
    const errors = settings.data === undefined ? undefined : await errorsOf(settings.data, dtypes, opened, tokenizer);
    const files: (OnnxFile & { readonly dataFiles: number })[] = [];
    const fill = (folder: string): void => {
      makeFolder(join(folder, ONNX_FOLDER));
      for (const dtype of dtypes) {
        const { suffix, convert } = ONNX_DTYPES[dtype];
        const name = join(ONNX_FOLDER, `model${suffix}.onnx`);
        files.push({ path: join(path, name), dtype, ...writeGraph(join(folder, name), convert(graph), mostBytes) });
      }
      writeConfigFiles(folder, { source: found.folder, opened, tokenizer, files });
    };
    await fillFolder(path, fill, () => removeOwnFiles(path));
    const written = files.map(({ dataFiles: _, ...file }) => ({ ...file, ...errors?.get(file.dtype) }));
    return { path, note: noteOf(opened), notes: await notesOn(opened, tokenizer), files: written };
  });
}

async function errorsOf(
  data: string,
  dtypes: readonly OnnxDtypeName[],
  opened: ExportedModel,
  tokenizer: Tokenizer,
): Promise<ReadonlyMap<OnnxDtypeName, DtypeError>> {
  const measured = await readMeasured(data, opened, tokenizer);
  const exact = await float32Metrics(opened, measured);
  const errors = new Map<OnnxDtypeName, DtypeError>();
  for (const dtype of dtypes) {
    const { arithmetic }: OnnxDtype = ONNX_DTYPES[dtype];
    const own = arithmetic && (await dtypeError(dtype, arithmetic, opened, measured));
    errors.set(dtype, { error: 0, ...(exact && { metrics: exact, float32Metrics: exact }), ...own });
  }
  return errors;
}

function noteOf({ kind, model }: ExportedModel): string {
  const { layers } = model.config;
  return `ONNX for ${kind ?? "feature-extraction"}, ${layers} layers.`;
}
