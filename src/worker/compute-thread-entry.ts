import { parentPort, workerData } from 'node:worker_threads'
import { describeDevice } from '../tensorflow/runtime/describe-device.js'
import type { DeviceChoice } from '../tensorflow/runtime/device-choice.js'
import { loadTensorflow } from '../tensorflow/runtime/load-tensorflow.js'
import type { FromCompute } from './compute-messages.js'
import { openShardComputer } from './open-shard-computer.js'
import { serveLeases } from './serve-leases.js'

/** The thread that TensorFlow runs on. It exchanges messages only with the thread that started it. */
const port = parentPort!

serveLeases(port, openShardComputer)
const device = describeDevice(loadTensorflow(workerData as DeviceChoice))
port.postMessage({ kind: 'device', device } satisfies FromCompute)
