import { parentPort, workerData } from 'node:worker_threads'
import { carryOutOrder } from './carry-out-order.js'
import type { CheckpointOrder, CheckpointReply, RunFacts } from './checkpoint-thread.js'
import { realDisk } from './disk.js'

parentPort!.on('message', (order: CheckpointOrder) => {
  parentPort!.postMessage(write(order))
})

function write(order: CheckpointOrder): CheckpointReply {
  try {
    return { bytes: carryOutOrder(order, workerData as RunFacts, new Date().toISOString(), realDisk) }
  } catch (error) {
    const { message, code } = error as NodeJS.ErrnoException
    return { failure: { message, code } }
  }
}
