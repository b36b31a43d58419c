/** Why a template can't be rendered, or can't be as Jinja would: the end of a sentence that names the row. */
export class TemplateFault extends Error {
  override readonly name = "TemplateFault";
}

export function refuse(what: string): never {
  throw new TemplateFault(what);
}
