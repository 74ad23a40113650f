import { mkdtempSync, rmSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { counted } from '../../shared/units.js'
import { PEERS_DIRECTORY, peerVersion } from '../peer-environment.js'
import { ownCache, runContestant } from '../run-contestant.js'
import { writeFitData } from './fit-data.js'
import type { FitResult, FitTurn, Training } from './fit-result.js'
import { turnOf } from './fit-result.js'
import type { ProgramName } from './programs.js'
import { FIT_PROGRAMS } from './programs.js'

export interface FitBenchmarkOptions {
  readonly program: ProgramName
  readonly epochs: number
  readonly samples: number
  readonly rounds: number
  readonly contestants: readonly ContestantName[]
  /** Python of the peers; undefined without Keras. */
  readonly python: string | undefined
  readonly log: (text: string) => void
}

/** Convoy's first. */
export const CONTESTANTS = ['fit', 'model.fit', 'keras'] as const
export type ContestantName = (typeof CONTESTANTS)[number]

const ENTRY = fileURLToPath(new URL('./program-entry.js', import.meta.url))

/**
 * Trains a program with each contestant in turns, every time in a process of its own: what a user waits for, start-up included.
 * @throws ConvoyError('environment') when a contestant fails
 */
export async function benchmarkFit(options: FitBenchmarkOptions): Promise<FitResult[]> {
  const { program, samples, rounds, contestants, log } = options
  const results = contestants.map((name) => ({ name: nameOf(name), turns: [] as FitTurn[] }))
  for (let round = 0; round < rounds; round++) {
    for (const [index, contestant] of contestants.entries())
      results[index]!.turns.push(await takeTurn(contestant, options))
    const latest = results.map(({ name, turns }) => `${name} ${turns.at(-1)!.seconds.toFixed(1)} s`)
    log(`${program}, ${counted(samples, 'sample')}, round ${round + 1} of ${rounds}: ${latest.join(', ')}`)
  }
  return results
}

function nameOf(contestant: ContestantName): string {
  if (contestant === 'keras') return `Keras, TensorFlow ${peerVersion('tensorflow-cpu')}`
  return contestant === 'fit' ? 'Convoy, fit' : 'TensorFlow.js, model.fit'
}

async function takeTurn(contestant: ContestantName, options: FitBenchmarkOptions): Promise<FitTurn> {
  const { program, samples } = options
  const directory = mkdtempSync(path.join(os.tmpdir(), 'convoy-bench-fit-'))
  try {
    writeFitData(FIT_PROGRAMS[program], samples, directory)
    // Its own cache: data of an earlier turn would be there already.
    const environment = ownCache(directory)
    const [command, ...args] = commandOf(contestant, options, directory)
    const startedMs = performance.timeOrigin + performance.now()
    const training = (await runContestant(command!, args, environment)) as Training
    const seconds = (performance.timeOrigin + performance.now() - startedMs) / 1000
    return turnOf(training, startedMs, seconds, samples)
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
}

function commandOf(contestant: ContestantName, options: FitBenchmarkOptions, directory: string): string[] {
  const { program, epochs, python } = options
  const training = [program, directory, `${epochs}`]
  if (contestant !== 'keras') return [process.execPath, ENTRY, contestant, ...training]
  return [python!, path.join(PEERS_DIRECTORY, 'keras_fit.py'), ...training, `${FIT_PROGRAMS[program].batchSize}`]
}
