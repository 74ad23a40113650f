import * as tf from '@tensorflow/tfjs'
import { fit } from 'convoy'
import makeModel from './model.mjs'
import { labels, points } from './spirals.mjs'

const model = makeModel({ tf, inputShape: [2], outputCount: 3 })
model.compile({ optimizer: tf.train.adam(0.01), loss: 'sparseCategoricalCrossentropy', metrics: ['accuracy'] })

const x = tf.tensor2d(points)
const y = tf.tensor1d(labels, 'float32')
const { history } = await fit(model, x, y, { epochs: 20, batchSize: 64, validationSplit: 0.2, verbose: 0 })

console.log('accuracy', history.val_acc.at(-1))
