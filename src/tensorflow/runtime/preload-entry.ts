import { workerData } from 'node:worker_threads'
import { loadTensorflowLibrary, setAbslLogLevel } from './native-calls.js'

/** The thread of preloadTensorflow. */
const runtime = workerData as string
setAbslLogLevel(runtime)
loadTensorflowLibrary(runtime)
