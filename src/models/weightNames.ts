/**
 * The names that a parameter can have in a checkpoint: as here, or without the encoder's prefix as in a bare encoder's file;
 * layer norms also with the names of TensorFlow's checkpoints.
 * @param prefix of the encoder, such as `bert.`
 */
export function candidateNames(path: string, prefix: string): readonly string[] {
  const names = path.startsWith(prefix) ? [path, path.slice(prefix.length)] : [path];
  const old = names.map(toTensorFlowName).filter((name) => !names.includes(name));
  return [...names, ...old];
}

function toTensorFlowName(name: string): string {
  return name.replace(/LayerNorm\.weight$/, "LayerNorm.gamma").replace(/LayerNorm\.bias$/, "LayerNorm.beta");
}
