import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { after, describe, it } from 'node:test'
import type { EpochInfo, MakeCallbacks, StepInfo } from '../../../../src/training/callbacks/own-callbacks.js'
import { callbacksOf } from '../../../../src/training/callbacks/own-callbacks.js'
import { describeEvent } from '../../../../src/reporting/sinks/describe-event.js'
import { DurableTraining, STEPS } from '../../../support/durable-training.js'

const scratch = mkdtempSync(path.join(os.tmpdir(), 'convoy-callbacks-'))
after(() => {
  rmSync(scratch, { recursive: true, force: true })
})

/** Steps after which epochs end, with 60 samples in batches of 8. */
const EPOCH_ENDS = [8, 15, 23, 30, 38]
const LAST_RATES = 5
/** Where checkpoints, which are made every ten steps, are behind a call that changed the rate, and where they are not. */
const BREAKS = [1, 8, 9, 14, 20, 23, 27, 33]

/** Halves the rate when the sum of the last losses is larger than that of the losses before: it needs a state. */
const remembering: MakeCallbacks = (saved) => {
  let { losses, epochs } = (saved ?? { losses: [], epochs: 0 }) as { losses: number[]; epochs: number }
  return {
    onStep: ({ loss }: StepInfo) => {
      losses = [...losses, loss].slice(-2 * LAST_RATES)
      const sum = (from: number, to?: number): number => losses.slice(from, to).reduce((all, one) => all + one, 0)
      return losses.length === 2 * LAST_RATES && sum(LAST_RATES) > sum(0, LAST_RATES)
        ? { learningRateFactor: 0.9 }
        : undefined
    },
    onEpoch: () => ({ learningRateFactor: 1 + 1 / (++epochs + 2) }),
    state: () => ({ losses, epochs }),
  }
}

function ratesOf(training: DurableTraining): number[] {
  return training.metrics().flatMap((line) => (line.kind === 'step' ? [line.learningRate] : []))
}

/** @returns the message of its error */
async function failureOf(callbacks: MakeCallbacks, training = new DurableTraining(scratch, { callbacks })) {
  let message = ''
  await assert.rejects(training.train(), (error: Error) => {
    ;({ message } = error)
    return true
  })
  return message
}

describe('callbacks of the user', async () => {
  const undisturbed = new DurableTraining(scratch, { callbacks: remembering })
  const { outcome: expected } = await undisturbed.train()
  const plain = new DurableTraining(scratch)
  await plain.train()
  const baseRates = ratesOf(plain)

  it('get each step and each validation, with what the reports have of them, in the order of the run', async () => {
    const called: (StepInfo | EpochInfo)[] = []
    const callbacks: MakeCallbacks = () => ({
      onStep: (info) => void called.push(info),
      onEpoch: (info) => void called.push(info),
    })
    const training = new DurableTraining(scratch, { callbacks })
    await training.train()
    const reported = training.metrics().flatMap((line): unknown[] => {
      if (line.kind === 'step') {
        const { step, epoch, loss, accuracy, learningRate } = line
        return [{ step, epoch, loss, accuracy, learningRate }]
      }
      if (line.kind !== 'evaluated' || !EPOCH_ENDS.includes(line.result.step) || line.result.split === 'test') return []
      const { step, loss, accuracy, metrics } = line.result
      return [{ step, epoch: line.epoch, validation: { loss, accuracy, metrics } }]
    })
    assert.equal(reported.length, STEPS + EPOCH_ENDS.length)
    assert.deepEqual(called, reported)
  })

  it('change the rate of the steps after them', () => {
    const changes = new Set(ratesOf(undisturbed).map((rate, index) => rate / baseRates[index]!))
    assert.ok(changes.size > 5, [...changes].join(' '))
    // The first epoch ends with step 8: a third more from step 9 on.
    assert.deepEqual(ratesOf(undisturbed).slice(0, 8), baseRates.slice(0, 8))
    assert.equal(ratesOf(undisturbed)[8], baseRates[8]! * (1 + 1 / 3))
  })

  for (const journal of ['on', 'off'] as const)
    it(`give the same rates and weights when the run is broken off, with the journal ${journal}`, async () => {
      for (const step of BREAKS) {
        const training = new DurableTraining(scratch, { callbacks: remembering, journal })
        await training.train(step)
        const { outcome } = await training.train()
        assert.deepEqual(ratesOf(training), ratesOf(undisturbed), `broken off after step ${step}`)
        assert.equal(outcome!.result.weightsSha256, expected!.result.weightsSha256, `broken off after step ${step}`)
      }
    })

  it('end the run after the step or the epoch that they say, and a run that goes on stays at its end', async () => {
    const atStep = new DurableTraining(scratch, {
      callbacks: () => ({ onStep: ({ step }) => ({ stop: step === 11 }) }),
    })
    const { outcome, events } = await atStep.train()
    const { steps, stoppedEarly, stoppedBy } = outcome!.result
    assert.deepEqual({ steps, stoppedEarly, stoppedBy }, { steps: 11, stoppedEarly: true, stoppedBy: 'callback' })
    assert.equal((await atStep.train()).outcome!.result.steps, 11)
    const ended = events.at(-1)!
    assert.ok(ended.kind === 'finished')
    const config = { ...ended.result.config, custom: { name: 'mine', sha256: '' } }
    assert.equal(
      describeEvent({ kind: 'finished', result: { ...ended.result, config } }),
      'Stopped early by a callback of mine, after step 11.',
    )
    const atEpoch = new DurableTraining(scratch, { callbacks: () => ({ onEpoch: ({ step }) => ({ stop: step > 8 }) }) })
    assert.equal((await atEpoch.train()).outcome!.result.steps, 15)
  })

  it('that stop a run which is broken off just then stop it in the replay too', async () => {
    const callbacks: MakeCallbacks = () => ({ onStep: ({ step }) => ({ stop: step === 13 }) })
    const training = new DurableTraining(scratch, { callbacks })
    await training.train(13)
    assert.equal((await training.train()).outcome!.result.steps, 13)
  })

  it('that throw end the run, and are called again for that step when it goes on', async () => {
    let isBroken = true
    const callbacks: MakeCallbacks = (saved) => {
      const own = remembering(saved)
      return {
        ...own,
        onStep: (info) => {
          if (isBroken && info.step === 17) throw new Error('no network')
          return own.onStep!(info)
        },
      }
    }
    for (const journal of ['on', 'off'] as const) {
      isBroken = true
      const training = new DurableTraining(scratch, { callbacks, journal })
      const message = await failureOf(callbacks, training)
      assert.match(
        message,
        /^callbacks\.onStep of the custom code failed after step 17: no network\. Correct the module;/,
      )
      if (journal === 'on') assert.equal(await failureOf(callbacks, training), message)
      isBroken = false
      const { outcome } = await training.train()
      assert.equal(outcome!.result.weightsSha256, expected!.result.weightsSha256)
      assert.deepEqual(ratesOf(training), ratesOf(undisturbed))
    }
  })

  for (const [what, answer, problem] of [
    ['a promise', Promise.resolve({}), /it returns a promise; make it a function that is not async/],
    [
      'an unknown key',
      { halt: true },
      /it returns the object: Unrecognized key: "halt"; return nothing, \{ stop: true \}/,
    ],
    ['a factor of 0', { learningRateFactor: 0 }, /learningRateFactor: Too small/],
    ['a factor that is not a number', { learningRateFactor: NaN }, /learningRateFactor: Invalid input/],
    ['a factor that is too large', { learningRateFactor: 1e7 }, /learningRateFactor: Too big/],
    [
      'factors that are too large together',
      { learningRateFactor: 1e4 },
      /after step 2: its factors make 100000000 tog/,
    ],
    [
      'factors that come to nothing together',
      { learningRateFactor: 1e-200 },
      /after step 2: its factors make 0 together/,
    ],
    ['a text', 'stop', /it returns the object: Invalid input/],
  ] as const)
    it(`that return ${what} end the run with the reason`, async () => {
      assert.match(await failureOf(() => ({ onStep: () => answer })), problem)
    })

  for (const [what, state, problem] of [
    ['nothing', undefined, /callbacks\.state of the custom code failed: it returns what JSON does not keep/],
    [
      'numbers that JSON has not',
      { lowest: Infinity },
      /it returns what JSON does not keep, such as undefined, NaN, a Map/,
    ],
    ['a Map', new Map(), /it returns what JSON does not keep/],
    ['more than a checkpoint keeps', 'x'.repeat(2 ** 20), /it returns 1048578 bytes, and a checkpoint keeps 1048576/],
  ] as const)
    it(`whose state is ${what} end the run before its first step`, async () => {
      assert.match(await failureOf(() => ({ state: () => state })), problem)
    })

  it('are rejected where they are none', () => {
    assert.throws(() => callbacksOf(5), /custom\.callbacks is no object of functions/)
    assert.throws(() => callbacksOf({ onBatch: () => undefined }), /has onBatch; it may have onStep, onEpoch, state/)
    assert.throws(() => callbacksOf({ onStep: 5 }), /onStep is no function/)
    assert.throws(
      () => callbacksOf(() => undefined)(undefined),
      /the object that custom\.callbacks returns is no object/,
    )
  })
})
