import { spawnSync } from 'node:child_process'

/** The GPUs that the driver sees, as `nvidia-smi -L` names them, in its order. Empty without a driver. */
export function listGpus(): string[] {
  const { status, stdout } = spawnSync('nvidia-smi', ['-L'], { encoding: 'utf8', timeout: 10_000 })
  if (status !== 0) return []
  return stdout.split('\n').filter((line) => line.startsWith('GPU '))
}
