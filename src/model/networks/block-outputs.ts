interface Topology {
  readonly config: { readonly layers: readonly { readonly name: string; readonly class_name: string }[] }
}

/**
 * Names of the layers whose output shows what a network sees, in the order of the data: the end of the stem and of each residual
 * block; in networks without such blocks, the convolutions.
 * @param topology as ModelDescription has it
 */
export function blockOutputs(topology: object): string[] {
  const { layers } = (topology as Topology).config
  const blocks = layers.filter(({ name }) => /^(stem_relu|stage\d+_block\d+_out)$/.test(name))
  const shown = blocks.length > 0 ? blocks : layers.filter(({ class_name: kind }) => kind === 'Conv2D')
  return shown.map(({ name }) => name)
}
