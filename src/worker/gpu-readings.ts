import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import type { GpuMessage } from '../shared/protocol/messages.js'

const FIELDS = ['utilization.gpu', 'memory.used', 'memory.total', 'temperature.gpu', 'power.draw']
const TIMEOUT_MS = 2_000
const MAX_OUTPUT_BYTES = 64 * 1024
const MEBIBYTE = 1024 * 1024

/**
 * Reads one GPU with nvidia-smi.
 * @param gpu index or UUID, as in CUDA_VISIBLE_DEVICES
 * @throws Error when nvidia-smi is missing, slow, or prints something else
 */
export async function readGpu(gpu: string): Promise<GpuMessage> {
  const { stdout } = await promisify(execFile)(
    'nvidia-smi',
    [`--id=${gpu}`, `--query-gpu=${FIELDS.join(',')}`, '--format=csv,noheader,nounits'],
    { timeout: TIMEOUT_MS, maxBuffer: MAX_OUTPUT_BYTES },
  )
  return parseGpu(stdout)
}

/**
 * @param text one line of csv without header and units; `[N/A]` and the like for values that this GPU does not report
 * @throws Error for anything else
 */
export function parseGpu(text: string): GpuMessage {
  const values = text.trim().split(',').map(valueOf)
  const [utilization, memoryUsed, memory, temperatureCelsius, powerWatts] = values
  if (values.length !== FIELDS.length || values.some((value) => value !== undefined && !(value >= 0)))
    throw new Error(`nvidia-smi printed: ${text.slice(0, 200)}`)
  return {
    ...(utilization !== undefined && { utilization: Math.min(1, utilization / 100) }),
    ...(memoryUsed !== undefined && { memoryUsedBytes: memoryUsed * MEBIBYTE }),
    ...(memory !== undefined && { memoryBytes: memory * MEBIBYTE }),
    ...(temperatureCelsius !== undefined && { temperatureCelsius }),
    ...(powerWatts !== undefined && { powerWatts }),
  }
}

function valueOf(field: string): number | undefined {
  const text = field.trim()
  return /^\[.*\]$/.test(text) ? undefined : text === '' ? NaN : Number(text)
}
