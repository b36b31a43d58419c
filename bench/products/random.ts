import * as torch from "../../src/torch/index.js";

export function random(shape: readonly number[], dtype: torch.DType): torch.Tensor {
  return torch.noGrad(() =>
    torch.scope(() => {
      const values = torch.uniform_(torch.empty([...shape]), -1, 1, { generator: new torch.Generator(0) });
      return torch.to(values, dtype);
    }),
  );
}
