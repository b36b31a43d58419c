import { join } from "node:path";
import { expect, test } from "vitest";
import { ADAPTER_METHODS, inject } from "../../src/models/adapters/index.js";
import * as torch from "../../src/torch/index.js";
import { expectClose, families, GOLDEN, get, readJson } from "./goldenFiles.js";
import { openModel } from "./support/adapted.js";
import { goldenTensors, type TrainingCase } from "./support/cases.js";
import { expectLog, isKeyBias } from "./support/compare.js";
import { runPhases } from "./support/phases.js";
import { encodeRows } from "./support/rows.js";

const cases = families.flatMap((family) => {
  const { bitfit } = readJson<{ bitfit?: TrainingCase }>(join(GOLDEN, family, "golden.json"));
  return bitfit ? [{ family, ...bitfit }] : [];
});

test.each(cases)(
  "$family: BitFit is the training of every bias and the head, the head's weights decaying",
  async (entry) => {
    const { family, file, settings } = entry;
    const model = await openModel(family, entry.checkpoint);
    const config = ADAPTER_METHODS.bitfit.config({ modulesToSave: ["classifier"] });
    const adapted = inject(model, config, { generator: new torch.Generator(0) });
    const expected = goldenTensors(family, file);
    expect(adapted.trained.map(({ name }) => name).sort()).toEqual([...expected.keys()].sort());

    const rows = await encodeRows(family, { ...entry, maxLength: settings.maxLength });
    const { phases } = runPhases({ model, adapted }, rows, { ...settings, maxGradNorm: undefined });
    const { reports, end } = phases[0]!;
    expectLog(
      reports.map(({ loss }) => loss),
      entry.losses,
      1e-5,
      "loss",
    );
    for (const [name, tensor] of end) {
      // Adam turns the rounding of their zero gradients into steps.
      if (!isKeyBias(name)) expectClose(tensor, get(expected, name), 1e-4, name);
    }
  },
);
