import { createRequire } from 'node:module'

/**
 * TensorFlow.js, to build models with. Loaded by `require`: to import its bundle, Node would parse it once more to find its exports,
 * which takes 0.7 s of processor time.
 */
export const tf = createRequire(import.meta.url)('@tensorflow/tfjs') as typeof import('@tensorflow/tfjs')

/** As far as custom code uses it: whatever copy, imported or required. */
export type TensorFlow = Omit<typeof import('@tensorflow/tfjs'), 'default'>
