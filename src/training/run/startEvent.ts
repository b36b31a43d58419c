import type { StartEvent } from "../../base/records/index.js";
import { settingSources, settingsOf, unusedSettings } from "../../tasks/config/index.js";
import { judgedBy, stopsBy } from "../loop/earlyStopping.js";
import type { Untimed } from "../loop/observer.js";
import { parameterCounts } from "./artifacts.js";
import type { Prepared } from "./prepare.js";
import { machineFacts, versions } from "./provenance.js";

/** The event that begins a run. @param steps of each phase */
export function startEvent(prepared: Prepared, steps: StartEvent["steps"]): Untimed<StartEvent> {
  const { config, rows, loaded, ranks } = prepared;
  const processes = ranks.size;
  const rowsPerStep = processes * config.batchSize * config.gradientAccumulation;
  const parameters = parameterCounts(prepared);
  const [settings, sources, idle] = [settingsOf(config), settingSources(config), unusedSettings(config)];
  const facts = { versions: versions(), machine: machineFacts(loaded.model.device) };
  const batches = { processes, rowsPerStep };
  const stopping = stopsBy(config, prepared);
  const judges = { judgedBy: judgedBy(prepared), ...(stopping && { stopsBy: stopping }) };
  return { event: "start", ...facts, settings, sources, idle, parameters, rows, ...batches, ...judges, steps };
}
