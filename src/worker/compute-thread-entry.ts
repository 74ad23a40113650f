import { setImmediate as yieldToMessages } from 'node:timers/promises'
import { parentPort, workerData } from 'node:worker_threads'
import type { SplitName } from '../data/dataset.js'
import { readFrozenWeights } from '../model/frozen-weights.js'
import { openDatasetByFingerprint } from '../data/open-dataset.js'
import { createEngine } from '../tensorflow/engine/create-engine.js'
import type { Engine } from '../tensorflow/engine/engine.js'
import { engineOptions } from '../tensorflow/engine/engine.js'
import { describeDevice } from '../tensorflow/runtime/describe-device.js'
import type { DeviceChoice } from '../tensorflow/runtime/device-choice.js'
import { loadTensorflow } from '../tensorflow/runtime/load-tensorflow.js'
import { PhaseTimes } from '../metrics/phases.js'
import { ConvoyError } from '../shared/errors.js'
import { bytesOf } from '../shared/bytes-of.js'
import type { LeaseMessage } from '../shared/protocol/messages.js'
import { shortageIn } from '../shared/own-shortage.js'
import { ReductionTree } from '../shared/reduction-tree.js'
import { resultFile, SharedFiles, weightsFile } from '../shared/shared-files.js'
import type { FromCompute, ToCompute } from './compute-messages.js'
import { ShardComputer } from './shard-computer.js'
import { OUTDATED, WorkerLeases } from './worker-leases.js'

/** The thread that TensorFlow runs on. It exchanges messages only with the thread that started it. */
const port = parentPort!

let engine: Engine | undefined
let computer: ShardComputer | undefined
let prepared: { worker: number; weights: Float32Array; sharedFiles: SharedFiles | undefined } | undefined
const leases = new WorkerLeases()
let shardsDone = 0
let times = new PhaseTimes()
/** When the last lease was over. */
let idleSinceMs: number | undefined

function post(message: FromCompute, transfer: ArrayBuffer[] = []): void {
  port.postMessage(message, transfer)
}

async function prepare({ description, worker, sharedFiles }: Extract<ToCompute, { kind: 'prepare' }>): Promise<void> {
  const { config, model, dataset: header } = description
  engine?.close()
  // A file of the last membership would stay until the run is over.
  prepared?.sharedFiles?.remove(resultFile(prepared.worker))
  leases.reset()
  const dataset = await openDatasetByFingerprint(header.fingerprint)
  if (dataset === undefined)
    throw new ConvoyError('data', `The data set ${header.name} is not in the cache of this machine.`)
  const built = await createEngine(engineOptions(description), await readFrozenWeights(model.frozen))
  engine = built
  times = new PhaseTimes()
  idleSinceMs = undefined
  computer = new ShardComputer(config, dataset, built, times)
  let sharingProblem: string | undefined
  const files =
    sharedFiles &&
    SharedFiles.open(sharedFiles, (why) => {
      sharingProblem = why
    })
  prepared = { worker, weights: new Float32Array(model.layout.weightCount), sharedFiles: files }
  post({ kind: 'prepared', shared: files !== undefined, ...(sharingProblem && { sharingProblem }) })
}

/** Sends a result: through a shared file if it can be written, else over the network. */
function deliver(lease: number, vector: Float32Array<ArrayBuffer>): void {
  const { worker, sharedFiles } = prepared!
  const bytes = vector.byteLength
  let sharingProblem: string | undefined
  const keep = (why: string): void => {
    sharingProblem = why
  }
  if (sharedFiles?.write(resultFile(worker), bytesOf(vector), keep)) post({ kind: 'result', lease, bytes })
  else post({ kind: 'result', lease, bytes, vector, ...(sharingProblem && { sharingProblem }) }, [vector.buffer])
}

function takeWeights(version: number, weights: Float32Array): void {
  if (leases.takeWeights(version)) engine!.setWeights(weights)
}

/** The weights of a lease, where they lie in a shared file; otherwise asks for them. */
function takeSharedWeights(version: number): void {
  const { sharedFiles, weights } = prepared!
  if (sharedFiles?.read(weightsFile(version), weights)) takeWeights(version, weights)
  else if (sharedFiles) post({ kind: 'want-weights', haveVersion: version - 1 })
}

/** Computes a lease's shards one by one, summed in the reduction order, unless it is revoked on the way. */
async function compute(lease: LeaseMessage): Promise<void> {
  if (idleSinceMs !== undefined) times.record('wait', (performance.now() - idleSinceMs) / 1000)
  try {
    const tree = new ReductionTree(lease.shardCount)
    for (let index = 0; index < lease.shardCount; index++) {
      const shard = lease.firstShard + index
      const vector =
        lease.work === 'WORK_GRADIENT'
          ? computer!.gradient(lease.step, shard)
          : computer!.evaluate(lease.split as SplitName, shard)
      const computedMs = performance.now()
      const sum = tree.add(index, 1, vector)
      if (sum !== undefined) deliver(lease.lease, sum)
      times.record('encode', (performance.now() - computedMs) / 1000)
      const [tensors, tensorBytes] = [engine!.tensorCount(), engine!.tensorBytes()]
      post({ kind: 'progress', shardsDone: ++shardsDone, tensors, tensorBytes })
      await yieldToMessages()
      const state = leases.stateOf(lease)
      if (state === 'revoked') return
      if (state === 'outdated') throw new ConvoyError('internal', OUTDATED)
    }
  } catch (error) {
    const { message } = ConvoyError.from(error)
    const lacking = shortageIn(message)
    // The shortage comes first: the text may be shortened at its end.
    const reason = lacking ? `the worker lacks ${lacking.of} (${lacking.remedy}): ${message}` : message
    post({ kind: 'failed', lease: lease.lease, reason })
  } finally {
    idleSinceMs = performance.now()
    post({ kind: 'phases', phases: times.report() })
  }
}

/** Starts the lease that waits, once its weights are there. */
function startWaitingLease(): void {
  const started = leases.start()
  if (started === undefined) return
  const { lease, state } = started
  if (state === 'outdated') post({ kind: 'failed', lease: lease.lease, reason: OUTDATED })
  else void compute(lease)
}

port.on('message', (message: ToCompute) => {
  switch (message.kind) {
    case 'prepare':
      prepare(message).catch((error: unknown) => {
        // Ends the thread; the main thread gets the error and logs it.
        setImmediate(() => {
          throw error
        })
      })
      break
    case 'weights':
      takeWeights(message.version, message.weights)
      if (!prepared!.sharedFiles) post({ kind: 'want-weights', haveVersion: message.version })
      startWaitingLease()
      break
    case 'lease':
      if (leases.take(message.lease)) takeSharedWeights(message.lease.weightsVersion)
      startWaitingLease()
      break
    case 'revoke':
      leases.revoke(message.lease)
      break
  }
})

post({ kind: 'device', device: describeDevice(loadTensorflow(workerData as DeviceChoice)) })
