import * as z from "zod";
import type { AdapterConfig } from "../adapterConfig.js";
import type { AdapterMethod } from "../method.js";
import { checkedKeys } from "../peft/targetKeys.js";

/** BitFit's settings: it always trains all biases. */
export interface BitfitConfig extends AdapterConfig {
  readonly method: "bitfit";
  readonly bias: "all";
}

const bitfitConfig = ({ modulesToSave = [] }: Partial<BitfitConfig>): BitfitConfig => ({
  method: "bitfit",
  bias: "all",
  modulesToSave,
});

const keys = z.object({ modules_to_save: z.array(z.string()).nullable() });

/**
 * BitFit (arXiv 2106.10199): no new tensors. Every bias of the model and the whole head are trained and saved. PEFT has no such
 * type: only bidora's own files have the type `BITFIT`.
 */
export const bitfit: AdapterMethod<BitfitConfig, Record<never, never>> = {
  about: "biases only",
  learningRate: 1e-3,
  options: {},
  retunable: [],
  config: bitfitConfig,
  fromSettings: () => ({}),
  toSettings: () => ({}),
  codec: {
    peftType: "BITFIT",
    whyNotPeft: () => "PEFT has no BitFit",
    defaults: { modules_to_save: null },
    parse(file, json) {
      const { modules_to_save: modules } = checkedKeys(file, keys, json);
      return bitfitConfig({ modulesToSave: modules ?? [] });
    },
    render: ({ modulesToSave }) => ({ modules_to_save: [...modulesToSave] }),
    suffixes: [],
  },
};
