import type { Exporter } from './exporter.js'
import { layersModel } from './layers-model.js'
import { safetensorsModel } from './safetensors-model.js'

/** Every trained model is saved in all of these. A new one is a file like layers-model.ts and a place here: docs/guides/extend.md. */
export const EXPORTERS: readonly Exporter[] = [safetensorsModel, layersModel]
