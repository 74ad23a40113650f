import { parentPort, workerData } from 'node:worker_threads'
import { weightsSha256 } from '../model/weights-sha256.js'
import { encodeManifest } from './checkpoint-manifest.js'
import { namedTensors } from './checkpoint-tensors.js'
import type { CheckpointOrder, CheckpointReply, RunFacts } from './checkpoint-thread.js'
import { writeCheckpoint } from './write-checkpoint.js'

const facts = workerData as RunFacts
const { layout } = facts.description.model

parentPort!.on('message', (order: CheckpointOrder) => {
  parentPort!.postMessage(write(order))
})

function write({ directory, vectors, dynamic }: CheckpointOrder): CheckpointReply {
  try {
    const manifest = encodeManifest({
      ...{ ...facts, ...dynamic, createdAt: new Date().toISOString() },
      vectors: Object.fromEntries(Object.entries(vectors).map(([name, { length }]) => [name, length])),
      weightsSha256: weightsSha256(vectors['weights']!),
    })
    return { bytes: writeCheckpoint(directory, manifest, namedTensors(vectors, layout)) }
  } catch (error) {
    const { message, code } = error as NodeJS.ErrnoException
    return { failure: { message, code } }
  }
}
