import { BidoraError } from "../../base/index.js";
import type { TrainedTensor, TrainingHooks } from "../../models/adapters/index.js";
import type { Tensor } from "../../torch/index.js";
import * as torch from "../../torch/index.js";

/** Copies of trained tensors, by name. */
export type Snapshot = ReadonlyMap<string, torch.Tensor>;

export const takeSnapshot = (trained: readonly TrainedTensor[]): Snapshot =>
  copiesOf(trained.map(({ name, tensor }) => [name, tensor]));

/** The same for any tensors. */
export function copiesOf(tensors: Iterable<readonly [name: string, tensor: torch.Tensor]>): Snapshot {
  return torch.noGrad(
    () => new Map(Array.from(tensors, ([name, tensor]) => [name, torch.keep(torch.clone(tensor))] as const)),
  );
}

/** Restores a snapshot's values in place. Throws if one is missing. */
export function restoreSnapshot(trained: readonly TrainedTensor[], snapshot: Snapshot): void {
  restoreTensors(
    trained.map(({ name, tensor }) => [name, tensor]),
    snapshot,
  );
}

/** The same for any tensors. */
export function restoreTensors(
  tensors: Iterable<readonly [name: string, tensor: torch.Tensor]>,
  saved: Snapshot,
): void {
  torch.noGrad(() => {
    for (const [name, tensor] of tensors) {
      const value = saved.get(name);
      if (!value) throw new TypeError(`No value was kept for ${name}.`);
      torch.copy_(tensor, value);
    }
  });
}

export function disposeSnapshot(snapshot: Snapshot | undefined): void {
  for (const tensor of snapshot?.values() ?? []) tensor.dispose();
}

/** Whether no tensor differs from its value in the snapshot. */
export function isUnchanged(trained: readonly TrainedTensor[], start: Snapshot): boolean {
  return torch.noGrad(() => trained.every(({ name, tensor }) => torch.equal(tensor, start.get(name) as torch.Tensor)));
}

/** @throws BidoraError `STATE_NOT_FINITE` naming the step and the first tensor that is not finite */
export function checkTrainedTensors(trained: readonly TrainedTensor[], step: number): void {
  const broken = trained.find(({ tensor }) => !torch.isAllFinite(tensor));
  if (!broken) return;
  const error = notFinite(broken.name);
  throw new BidoraError(error.code, `Step ${step}: ${error.message}`);
}

/** The error for a trained tensor after an update. */
export const notFinite = (name: string): BidoraError =>
  new BidoraError("STATE_NOT_FINITE", `${name} is no longer finite: use a smaller --learning-rate.`);

/** The mean of |m − m₀| over a module's magnitudes, by module path. */
export function magnitudeMovement(trained: readonly TrainedTensor[], start: Snapshot): Record<string, number> {
  const magnitudes = trained.filter(({ role }) => role === "magnitude");
  return torch.noGrad(() =>
    torch.scope(() =>
      Object.fromEntries(
        magnitudes.map(({ name, tensor }) => {
          const moved = torch.mean(torch.abs(torch.sub(tensor, start.get(name) as torch.Tensor))).item();
          return [name.slice(0, name.lastIndexOf(".")), moved];
        }),
      ),
    ),
  );
}

/** The state of an adapter method's hooks, by the names in a checkpoint. */
export function hookMemory(hooks: TrainingHooks | undefined): Map<string, Tensor> {
  return new Map(Array.from(hooks?.memory ?? [], ([name, tensor]) => [`hooks.${name}`, tensor]));
}
