import type { MessagePort } from 'node:worker_threads'
import { parentPort, workerData } from 'node:worker_threads'
import { ConvoyError } from '../../shared/errors.js'
import type { Job } from './job.js'
import { DONE, FAILED, takeSlices } from './job.js'

const { failures } = workerData as { failures: MessagePort }

parentPort!.on('message', (job: Job) => {
  try {
    takeSlices(job)
  } catch (error) {
    // The main thread blocks until the job is over: it reads the reason before any event of this thread's reaches it.
    failures.postMessage(ConvoyError.from(error).message)
    Atomics.store(job.counters, FAILED, 1)
    Atomics.notify(job.counters, DONE)
  }
})
