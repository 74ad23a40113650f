import type { NamedTensor } from './encode-safetensors.js'
import type { ModelDescription } from '../model/parameter-layout.js'
import type { ModelMetadata } from './model-metadata.js'

export interface ExportedModel {
  readonly model: ModelDescription
  /** All weights by name, frozen ones among them. */
  readonly tensors: readonly NamedTensor[]
  /** Everything that a program without Convoy needs. Each format stores it where its own readers look for metadata. */
  readonly metadata: ModelMetadata
}

/** A format that every trained model is saved in. */
export interface Exporter {
  /** @returns its files by path inside the directory of the saved model, such as `layers-model/model.json` */
  encode(exported: ExportedModel): Readonly<Record<string, Buffer | string>>
}
