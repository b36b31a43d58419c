// Merges the adapter of examples/finetune.ts into its model, and exports it as a LoRA for PEFT: node build/examples/mergeAndExport.js [ADAPTER]
import { exportModel, inspect, merge } from "bidora";

const [adapter = "runs/example"] = process.argv.slice(2);

// The merged weights (W0 + s·B·A for LoRA, rescaled by the magnitudes for DoRA) replace the model's: transformers can load the folder.
const merged = await merge({ adapter, output: `${adapter}-merged`, overwrite: true });
const { parameters, bytes } = await inspect({ path: merged.path });
console.log(`${merged.path} has ${parameters.toLocaleString("en")} parameters in ${(bytes / 1e6).toFixed(1)} MB.`);

// DoRA's change of a weight is not of low rank: the export is the best approximation of the given rank (SVD).
const exported = await exportModel({
  adapter,
  to: "peft-lora",
  rank: 16,
  output: `${adapter}-lora`,
  overwrite: true,
});
console.log(`${exported.path} is for PEFT. ${exported.note}`);
