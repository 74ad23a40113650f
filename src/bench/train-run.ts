import { mkdtempSync, rmSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { readMetrics } from '../reporting/sinks/metrics-file.js'
import { packageRoot } from '../shared/package-root.js'
import type { RunResult } from '../training/run-events.js'
import { runContestant } from './run-contestant.js'

export interface TrainRun {
  readonly result: RunResult
  /** Trainable. */
  readonly parameters: number
  /** Training samples per second of the steps after the warm-up, evaluations left out: a mean. */
  readonly rate: number
}

/**
 * Runs `convoy train` on this machine, and removes its run directory.
 * @param warmUpSteps steps at the beginning that are not measured
 * @param environment variables beside those of this process
 * @throws ConvoyError('environment') when it fails
 */
export async function trainRun(
  flags: readonly string[],
  warmUpSteps: number,
  environment?: NodeJS.ProcessEnv,
): Promise<TrainRun> {
  const runs = mkdtempSync(path.join(os.tmpdir(), 'convoy-bench-'))
  try {
    const args = [path.join(packageRoot, 'bin', 'convoy.mjs'), 'train', ...flags, '--runs-dir', runs, '--json']
    const printed = await runContestant(process.execPath, args, environment)
    const result = printed as RunResult & { runDirectory: string }
    const lines = readMetrics(result.runDirectory)
    const durations = lines.flatMap((line) =>
      line.kind === 'step' && line.step > warmUpSteps ? [line.durationMs] : [],
    )
    const meanMs = durations.reduce((sum, ms) => sum + ms, 0) / durations.length
    const { parameterCount } = lines.find((line) => line.kind === 'started')!
    return { result, parameters: parameterCount, rate: (1000 * result.config.batchSize) / meanMs }
  } finally {
    rmSync(runs, { recursive: true, force: true })
  }
}
