/** The layer and the kind in a module's path: `encoder.layer.3.attention.self.query` is layer 3 of kind `attention.self.query`. */
export interface ModulePath {
  readonly layer: number;
  readonly kind: string;
}

export function modulePathOf(path: string): ModulePath {
  const parts = path.split(".");
  const at = parts.findIndex((part) => /^\d+$/.test(part));
  return at < 0 ? { layer: 0, kind: path } : { layer: Number(parts[at]), kind: parts.slice(at + 1).join(".") };
}
