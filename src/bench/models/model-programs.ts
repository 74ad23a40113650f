import path from 'node:path'
import { packageRoot } from '../../shared/package-root.js'
import { writeImages, writeTokens } from './model-data.js'

/** A model that a user trains with `convoy train --model`. bench/peers/tensorflow_models.py has the same models. */
export interface ModelProgram {
  readonly description: string
  /** The module of `--model`. */
  readonly module: string
  /** Writes samples for it. @param directory gets them @returns the path for `--data` */
  write(samples: number, directory: string): Promise<string>
}

export const MODEL_PROGRAM_NAMES = ['mobilenet', 'text'] as const
export type ModelProgramName = (typeof MODEL_PROGRAM_NAMES)[number]

/** Samples of a step. */
export const MODEL_BATCH_SIZE = 64

const MODULES = path.join(packageRoot, 'bench', 'models')

export const MODEL_PROGRAMS: Readonly<Record<ModelProgramName, ModelProgram>> = {
  mobilenet: {
    description: 'MobileNet of half the width, images of 96x96x3, 10 classes',
    module: path.join(MODULES, 'mobilenet.mjs'),
    write: writeImages,
  },
  text: {
    description: 'embedding of 64 and two LSTM layers of 128 units, 50 token ids, 2 classes',
    module: path.join(MODULES, 'text.mjs'),
    write: writeTokens,
  },
}
