/**
 * What TensorFlow reads from the environment when it starts.
 *
 * - One intra-op thread: its CPU kernels give other bits for other thread counts.
 * - One inter-op thread: a box runs one worker per core, and more threads only take turns.
 * - Deterministic kernels, TF32 off: the same bits on equal GPUs, and float32 that deserves the name.
 * - Memory growth, so that a desktop or a second process keeps its share of the GPU.
 */
const SETTINGS: Readonly<Record<string, string>> = {
  TF_NUM_INTRAOP_THREADS: '1',
  TF_NUM_INTEROP_THREADS: '1',
  OMP_NUM_THREADS: '1',
  TF_DETERMINISTIC_OPS: '1',
  TF_CUDNN_DETERMINISTIC: '1',
  NVIDIA_TF32_OVERRIDE: '0',
  TF_FORCE_GPU_ALLOW_GROWTH: 'true',
  TF_ENABLE_ONEDNN_OPTS: '1',
}

/** What else TensorFlow and its libraries read there: `ONEDNN_MAX_CPU_ISA` or `TF_XLA_FLAGS`, say, make other bits. */
const DECIDES_BITS = /^(TF|XLA|ONEDNN|DNNL|MKL|OMP|KMP)_(?!CPP_)/

/** Sets it all for this process. Only what is logged can be chosen from outside; the rest decides bits. */
export function setTensorflowEnvironment(environment: NodeJS.ProcessEnv = process.env): void {
  for (const name of Object.keys(environment)) if (DECIDES_BITS.test(name)) Reflect.deleteProperty(environment, name)
  Object.assign(environment, SETTINGS)
  environment['TF_CPP_MIN_LOG_LEVEL'] ??= '3'
}
