// Makes a plain model and a PEFT LoRA of what examples/finetune.ts made: node build/examples/mergeAndExport.js [ADAPTER]
import { exportModel, inspect, merge } from "bidora";

const [adapter = "runs/example"] = process.argv.slice(2);

// W0 + s·B·A, with the magnitudes for DoRA, written as the model's own weights: transformers opens the folder as it is.
const merged = await merge({ adapter, output: `${adapter}-merged`, overwrite: true });
const { parameters, bytes } = await inspect({ path: merged.path });
console.log(`${merged.path} has ${parameters.toLocaleString("en")} parameters in ${(bytes / 1e6).toFixed(1)} MB.`);

// What DoRA changes in each weight is no product of two thin matrices: this is the nearest one of the rank.
const exported = await exportModel({
  adapter,
  to: "peft-lora",
  rank: 16,
  output: `${adapter}-lora`,
  overwrite: true,
});
console.log(`${exported.path} is for PEFT. ${exported.note}`);
