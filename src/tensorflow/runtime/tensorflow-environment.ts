/**
 * Environment variables that TensorFlow reads at its start.
 *
 * - One intra-op thread: CPU kernels give different bits for different numbers of threads.
 * - No inter-op thread (-1: a graph runs in the thread that calls it): a machine runs one worker per core, and a graph of a tenth of a
 *   millisecond would wait as long for another thread to wake up.
 * - Deterministic kernels, TF32 off: the same bits on equal GPUs, and full float32 precision.
 * - Memory growth, so that a desktop or a second process keeps its share of the GPU.
 */
const SETTINGS: Readonly<Record<string, string>> = {
  TF_NUM_INTRAOP_THREADS: '1',
  TF_NUM_INTEROP_THREADS: '-1',
  OMP_NUM_THREADS: '1',
  TF_DETERMINISTIC_OPS: '1',
  TF_CUDNN_DETERMINISTIC: '1',
  NVIDIA_TF32_OVERRIDE: '0',
  TF_FORCE_GPU_ALLOW_GROWTH: 'true',
  TF_ENABLE_ONEDNN_OPTS: '1',
}

/** Other variables of TensorFlow and its libraries. Some change bits, such as `ONEDNN_MAX_CPU_ISA` and `TF_XLA_FLAGS`. */
const DECIDES_BITS = /^(TF|XLA|ONEDNN|DNNL|MKL|OMP|KMP)_(?!CPP_)/

/** Sets these variables for this process. Only the log level can be set from outside; the others decide bits. */
export function setTensorflowEnvironment(environment: NodeJS.ProcessEnv = process.env): void {
  for (const name of Object.keys(environment)) if (DECIDES_BITS.test(name)) Reflect.deleteProperty(environment, name)
  Object.assign(environment, SETTINGS)
  environment['TF_CPP_MIN_LOG_LEVEL'] ??= '3'
}
