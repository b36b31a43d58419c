// What `bidora doctor` says of devices.
import { expect, test } from "vitest";
import { doctorCommand } from "../../../src/app/commands/doctor.js";
import { diagnose, type EngineDetails } from "../../../src/torch/index.js";

const found = diagnose();

test.each<[string, EngineDetails["cuda"], string]>([
  ["a libtorch for the CPU", null, "no: this libtorch is built for the CPU alone"],
  ["no driver", { version: 13000, devices: 0, warning: "" }, "13.0; no device: there is no NVIDIA driver, or no card"],
  [
    "an old driver",
    {
      version: 12080,
      devices: 0,
      warning:
        "CUDA initialization: The NVIDIA driver on your system is too old (found version 11040). Please update it.",
    },
    "12.8; no device: The NVIDIA driver on your system is too old (found version 11040)",
  ],
  ["one card", { version: 12060, devices: 1, warning: "" }, "12.6; 1 device"],
  ["two cards", { version: 12060, devices: 2, warning: "" }, "12.6; 2 devices"],
])("doctor on CUDA with %s", (_, cuda, expected) => {
  const shown = doctorCommand.show(
    { ...found, cuda, unused: [] } as Parameters<typeof doctorCommand.show>[0],
    {} as never,
  );
  const { text } = shown as { readonly text: string };
  expect(text).toMatch(new RegExp(`^CUDA +${expected.replace(/[()]/g, "\\$&")} *$`, "m"));
});
