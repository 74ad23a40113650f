import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { appendFileSync, cpSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { createInterface } from 'node:readline'
import { after, describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import { checkpointAt, checkpointsIn } from '../../src/durability/checkpoints.js'
import { journalIn, listSegments } from '../../src/durability/segments.js'
import { stepsViolation } from '../faults/chaos/step-ledger.js'
import type { Trained } from '../support/durable-program.js'
import type { TrainingPart } from '../support/durable-training.js'
import { DurableTraining } from '../support/durable-training.js'
import type { SystemCall } from '../support/system-calls.js'
import { failedAt, killedAt, TRACED, tracedCalls, whyNoAttachment, whyNoTrace } from '../support/system-calls.js'

// Rows 6, 43 and 44 of the fault table, system call by system call: a training in one process, without TensorFlow, is killed at each call that
// changes something of checkpoints and journal, and has each call fail. A kill at a call is one between it and the call before; half of a call is
// only a shorter file, and test/unit/durability cuts files everywhere.

const noTrace = whyNoTrace()
const noAttachment = whyNoAttachment()
if (noTrace) process.stderr.write(`✖ Skipped, kills at each system call: ${noTrace}\n`)
if (noAttachment) process.stderr.write(`✖ Skipped, faults at each system call: ${noAttachment}\n`)

const PROGRAM = fileURLToPath(new URL('../support/durable-program.js', import.meta.url))
/** One checkpoint stays: whoever loses it has lost the run. Steps go on while it is written. */
const OPTIONS = { every: { kind: 'steps', steps: 4 }, journal: 'sync', keep: 1, lag: 2, haste: 1e6 } as const
const STEPS = 13
const ALLOCATING = [
  'write',
  'pwrite64',
  'writev',
  'pwritev',
  'pwritev2',
  'fsync',
  'fdatasync',
  'mkdir',
  'mkdirat',
].concat(['rename', 'renameat', 'renameat2'])
const CHANGING = [...ALLOCATING, 'ftruncate', 'truncate', 'unlink', 'unlinkat', 'rmdir']
const READING = ['read', 'pread64', 'getdents64']

const scratch = mkdtempSync(path.join(os.tmpdir(), 'convoy-points-'))
/** The only place of the traced run: its calls are found by the names of its files. */
const place = path.join(scratch, 'run')
const prepared = {
  none: path.join(scratch, 'none'),
  killed: path.join(scratch, 'killed'),
  ended: path.join(scratch, 'ended'),
}

interface Scenario {
  readonly from: keyof typeof prepared
  readonly part: TrainingPart
}

/** Together they have every kind of call. */
const SCENARIOS: readonly Scenario[] = [
  // With a checkpoint, which takes the place of the one before, and the journal of steps that are done meanwhile.
  { from: 'killed', part: { breakAfter: 10, maxSteps: STEPS } },
  // For one more step: the last checkpoint is replaced by one with other settings, and the journal is removed at the end.
  { from: 'ended', part: { maxSteps: STEPS } },
  { from: 'none', part: { breakAfter: 1, maxSteps: STEPS } },
]

let expected: string | undefined
let served: Trainings | undefined
after(() => {
  served?.process.kill()
  rmSync(scratch, { recursive: true, force: true })
})

/** Half a record in the journal, half a checkpoint, one that was being removed. */
async function prepareKilled(directory: string): Promise<void> {
  mkdirSync(directory)
  await new DurableTraining('', OPTIONS, directory).train({ breakAfter: 7, maxSteps: STEPS })
  appendFileSync(listSegments(directory).at(-1)!.file, 'half a record')
  for (const name of ['.new-step-00000008', '.gone-step-00000000']) {
    mkdirSync(path.join(checkpointsIn(directory), name))
    writeFileSync(path.join(checkpointsIn(directory), name, 'state.safetensors'), 'half')
  }
}

function prepare({ from }: Scenario): void {
  rmSync(place, { recursive: true, force: true })
  cpSync(prepared[from], place, { recursive: true })
}

function program({ part }: Scenario): string[] {
  return [PROGRAM, place, JSON.stringify(OPTIONS), JSON.stringify(part)]
}

/**
 * Calls on checkpoints and journal, by what they are and what changed before: of those that differ only in the step, the first one; of those of
 * one name on one file, such as the records of a segment, the first few.
 */
function pointsOf(scenario: Scenario): Map<string, SystemCall> {
  prepare(scenario)
  const found = new Map<string, SystemCall>()
  let before = 'nothing'
  for (const call of tracedCalls([...CHANGING, ...READING, 'open', 'openat', 'close'], place, program(scenario))) {
    const { name, file, ordinal } = call
    const isOfRun = [checkpointsIn(place), journalIn(place)].some((root) => file.startsWith(root))
    if (!isOfRun || ordinal > (READING.includes(name) ? 1 : 3)) continue
    const what = `${name} ${ordinal} of ${path.relative(place, file).replaceAll(/\d{8}/g, 'N')}`
    const where = READING.includes(name) ? what : `${what} after ${before}`
    if (!found.has(where)) found.set(where, call)
    if (CHANGING.includes(name)) before = what
  }
  return found
}

/** The scenarios and their points: a later scenario has those that no earlier one has. */
const points: { scenario: Scenario; what: string; call: SystemCall }[] = []
if (noTrace === undefined) {
  mkdirSync(prepared.none)
  await prepareKilled(prepared.killed)
  mkdirSync(prepared.ended)
  await new DurableTraining('', OPTIONS, prepared.ended).train({ maxSteps: STEPS - 1 })
  const undisturbed = await new DurableTraining(scratch, OPTIONS).train({ maxSteps: STEPS })
  expected = undisturbed.outcome!.result.weightsSha256
  for (const scenario of SCENARIOS)
    for (const [what, call] of pointsOf(scenario))
      if (!points.some((point) => point.what === what)) points.push({ scenario, what, call })
}

/** A new coordinator finds one whole state, goes on, and leaves nothing behind. */
async function goesOn(where: string, isKilled: boolean): Promise<void> {
  const run = new DurableTraining('', OPTIONS, place)
  const restored = run.restore()
  const done = run.metrics().filter(({ kind }) => kind === 'step').length
  assert.ok((restored?.state.step ?? 0) >= (isKilled ? done : 0), `${where}: ${done} steps were done`)
  assert.doesNotMatch(run.warnings.join('\n'), /step-\d{8} is damaged|None of the/, where)
  const { outcome } = await run.train({ maxSteps: STEPS })
  assert.equal(outcome!.result.weightsSha256, expected, where)
  assert.equal(stepsViolation(run.metrics() as never, STEPS), undefined, where)
  const left = readdirSync(checkpointsIn(place))
  assert.ok(left.includes(path.basename(checkpointAt(place, STEPS))), where)
  assert.ok(
    left.every((name) => /^step-\d{8}$/.test(name)),
    `${where}: ${left.join()}`,
  )
  assert.deepEqual(readdirSync(place), ['checkpoints', 'metrics.jsonl'], where)
}

/** A process that trains again and again. */
class Trainings {
  readonly process = spawn(process.execPath, [PROGRAM, place, JSON.stringify(OPTIONS)], {
    env: { ...process.env, ...TRACED },
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  readonly #answers = createInterface(this.process.stdout)[Symbol.asyncIterator]()

  async train({ part }: Scenario): Promise<Trained> {
    this.process.stdin.write(`${JSON.stringify(part)}\n`)
    const answer: IteratorResult<string, undefined> = await this.#answers.next()
    return JSON.parse(answer.value!) as Trained
  }
}

/** Writing, and the calls around it. */
function isOfWriting({ name, file, creates }: SystemCall): boolean {
  return ALLOCATING.includes(name) || creates || (name === 'close' && /\.new-|\.journal$/.test(file))
}

describe('a training', () => {
  it(
    'fault 06: that is killed at any system call of a checkpoint or the journal goes on from a whole state',
    { skip: noTrace ?? false },
    async () => {
      const changing = points.filter(({ call }) => CHANGING.includes(call.name))
      assert.ok(changing.length >= 40, `only ${changing.length} system calls`)
      for (const { scenario, what, call } of changing) {
        prepare(scenario)
        await killedAt(call, program(scenario))
        await goesOn(what, true)
      }
    },
  )

  for (const [row, error, isChosen] of [
    ['fault 44: that gets an I/O error', 'EIO', (call: SystemCall) => call.name !== 'close' || isOfWriting(call)],
    ['fault 43: that finds the disk full', 'ENOSPC', isOfWriting],
  ] as const)
    it(
      `${row} at any system call goes on or says why not, and its last good checkpoint stays`,
      { skip: noAttachment ?? false },
      async () => {
        const failing = points.filter(({ call }) => isChosen(call))
        assert.ok(failing.length >= 30, `only ${failing.length} system calls`)
        served ??= new Trainings()
        const { process: program } = served
        for (const { scenario, what, call } of failing) {
          const where = `${error} at ${what}`
          prepare(scenario)
          const trained = await failedAt(call, error, program, async () => served!.train(scenario))
          if (trained.error !== undefined && !trained.hasBegun) assert.match(trained.error, new RegExp(error), where)
          else assert.deepEqual([trained.error, trained.weightsSha256 ?? expected], [undefined, expected], where)
          await goesOn(where, false)
        }
      },
    )
})
