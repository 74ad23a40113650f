import { spawnSync } from 'node:child_process'

export interface Gpu {
  /** Index of the driver and of CUDA_VISIBLE_DEVICES. */
  readonly index: number
  readonly name: string
  readonly driver: string
  /** Major and minor as one number: 9 for Hopper, 8.6 for some Ampere. */
  readonly computeCapability: number
  readonly memoryBytes: number
}

export interface GpuSurvey {
  readonly gpus: readonly Gpu[]
  /** Why no GPU was found. */
  readonly problem?: string
}

const QUERY = 'index,name,driver_version,compute_cap,memory.total'

/** The GPUs that the driver sees, in its order. Asks `nvidia-smi`; takes up to ten seconds if the driver hangs. */
export function surveyGpus(): GpuSurvey {
  const args = [`--query-gpu=${QUERY}`, '--format=csv,noheader,nounits']
  const { status, stdout, stderr, error } = spawnSync('nvidia-smi', args, { encoding: 'utf8', timeout: 10_000 })
  if ((error as NodeJS.ErrnoException | undefined)?.code === 'ENOENT') {
    return { gpus: [], problem: 'there is no NVIDIA driver (nvidia-smi is not found)' }
  }
  const gpus = status === 0 ? parseGpus(stdout) : []
  if (gpus.length > 0) return { gpus }
  const firstLine = `${stdout ?? ''}${stderr ?? ''}`.trim().split('\n')[0]
  return { gpus, problem: `the NVIDIA driver shows none (nvidia-smi: ${firstLine || error?.message || 'no answer'})` }
}

/** Reads `nvidia-smi --query-gpu=… --format=csv,noheader,nounits`, whose unit of memory is MiB. Lines of another form are left out. */
export function parseGpus(csv: string): Gpu[] {
  return csv.split('\n').flatMap((line) => {
    const fields = line.split(',').map((field) => field.trim())
    const [index, name, driver, capability, memory] = fields
    if (fields.length !== QUERY.split(',').length || !name || !driver || !/^\d+$/.test(index!)) return []
    const numberOrZero = (text: string | undefined): number => Number.parseFloat(text!) || 0
    return [
      {
        index: Number(index),
        name,
        driver,
        computeCapability: numberOrZero(capability),
        memoryBytes: numberOrZero(memory) * 2 ** 20,
      },
    ]
  })
}

/**
 * Values of CUDA_VISIBLE_DEVICES for the workers, one each: the entries of that variable, else every index.
 * @param environment with CUDA_VISIBLE_DEVICES; empty or -1 hides all GPUs
 */
export function visibleGpus({ gpus }: GpuSurvey, environment: NodeJS.ProcessEnv = process.env): string[] {
  const visible = environment['CUDA_VISIBLE_DEVICES']
  if (gpus.length === 0) return []
  if (visible === undefined) return gpus.map(({ index }) => String(index))
  const named = visible.split(',').map((name) => name.trim())
  // CUDA stops at the first entry that it does not know.
  const end = named.findIndex((name) => name === '' || name.startsWith('-') || Number(name) >= gpus.length)
  return end === -1 ? named : named.slice(0, end)
}
