import assert from 'node:assert/strict'
import { existsSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { after, describe, it } from 'node:test'
import { Steering } from '../../../src/coordinator/steering.js'
import { checkpointAt, checkpointsIn } from '../../../src/durability/checkpoints.js'
import type { DurabilityOptions } from '../../../src/durability/durable-run-options.js'
import { readCheckpoint } from '../../../src/durability/read-checkpoint.js'
import type { RunEvent } from '../../../src/training/run-events.js'
import { DurableTraining, STEPS } from '../../support/durable-training.js'
import { until } from '../../support/until.js'

// A real trainer that keeps itself on disk, and is asked for something after its 15th step; checkpoints are due every 10 steps.

const ASKED_AT = 15

const runs = mkdtempSync(path.join(os.tmpdir(), 'convoy-steering-'))
after(() => {
  rmSync(runs, { recursive: true, force: true })
})

const undisturbed = (await new DurableTraining(runs).train()).outcome!.result.weightsSha256

class Steered {
  readonly training: DurableTraining
  readonly end = new AbortController()
  readonly stop = new AbortController()
  readonly events: RunEvent[] = []
  readonly holds: boolean[] = []
  readonly steering: Steering
  readonly ended: ReturnType<DurableTraining['train']>

  constructor(ask: (steered: Steered) => void, options: Partial<DurabilityOptions> = {}) {
    this.training = new DurableTraining(runs, options)
    const onEvent = (event: RunEvent): void => {
      this.events.push(event)
      if (event.kind === 'step' && event.step === ASKED_AT) ask(this)
    }
    this.steering = new Steering({
      ...{ observer: onEvent, signal: this.end.signal, stopSignal: this.stop.signal, now: () => performance.now() },
      onHold: (isHeld) => this.holds.push(isHeld),
    })
    const { end, steering } = this
    this.ended = this.training.train(Infinity, { end, steering, stopSignal: this.stop.signal, onEvent })
  }

  get steps(): number {
    return this.events.filter(({ kind }) => kind === 'step').length
  }

  checkpoint(step: number): string {
    return checkpointAt(this.training.runDirectory, step)
  }

  async finishes(): Promise<void> {
    assert.equal((await this.ended).outcome!.result.weightsSha256, undisturbed)
  }
}

/** A run that is asked to pause, and paused. */
async function paused(options?: Partial<DurabilityOptions>) {
  let answer: ReturnType<Steering['pause']> | undefined
  const steered = new Steered(({ steering }) => {
    answer = steering.pause()
  }, options)
  await until('the 15th step', () => answer !== undefined)
  return { steered, first: await answer! }
}

describe('a paused run', () => {
  it('has made its step and a checkpoint of it, makes no step until it goes on, and ends with the same weights', async () => {
    const { steered, first } = await paused()
    const { steering, steps, training } = steered
    const step = ASKED_AT
    assert.deepEqual(first, {
      ...{ step, wasPaused: false },
      checkpoint: { step, directory: checkpointAt(training.runDirectory, step) },
    })
    assert.equal(readCheckpoint(steered.checkpoint(step)).manifest.position.step, step)
    assert.equal(steps, step)
    assert.deepEqual(await steering.pause(), { ...first, wasPaused: true })
    // Asked for in the pause, when the step has one.
    assert.deepEqual(await steering.checkpoint(), first.checkpoint)
    assert.equal(steered.steps, step)
    assert.equal(steering.continue(), true)
    assert.equal(steering.continue(), false)
    await steered.finishes()
    assert.equal(steered.steps, STEPS)
    const kinds = steered.events.filter(({ kind }) => ['paused', 'continued'].includes(kind) || kind === 'step')
    assert.deepEqual(
      kinds.slice(step - 1, step + 3).map(({ kind }) => kind),
      ['step', 'paused', 'continued', 'step'],
    )
    assert.deepEqual(steered.holds, [true, false])
  })

  it('pauses again after one more step', async () => {
    const { steered, first } = await paused()
    steered.steering.continue()
    const again = await steered.steering.pause()
    assert.deepEqual([again.step, again.wasPaused], [first.step + 1, false])
    steered.steering.continue()
    await steered.finishes()
  })

  it('is evaluated when it is asked to stop', async () => {
    const { steered, first } = await paused()
    steered.stop.abort()
    const { outcome } = await steered.ended
    assert.equal(outcome!.result.steps, first.step)
    await assert.rejects(steered.steering.pause(), { code: 'unavailable', message: /asked to stop/ })
  })

  it('ends at once when its signal fires, and is resumed without the pause', async () => {
    const { steered, first } = await paused()
    steered.end.abort(new Error('ended'))
    assert.equal((await steered.ended).outcome, undefined)
    assert.equal(steered.steps, first.step)
    assert.equal(
      steered.events.some(({ kind }) => kind === 'continued'),
      false,
    )
    const { outcome } = await steered.training.train()
    assert.equal(outcome!.result.weightsSha256, undisturbed)
  })

  it('is paused although its checkpoint cannot be written, and tries again when it is asked', async () => {
    const place: { directory?: string } = {}
    let answer: ReturnType<Steering['pause']> | undefined
    const steered = new Steered(({ steering, training }) => {
      place.directory = checkpointsIn(training.runDirectory)
      renameSync(place.directory, `${place.directory}-aside`)
      writeFileSync(place.directory, '')
      answer = steering.pause()
    })
    await until('the 15th step', () => answer !== undefined)
    const { step, checkpoint } = await answer!
    assert.match(checkpoint!.failure!, /EEXIST|ENOTDIR/)
    assert.match((await steered.steering.checkpoint()).failure!, /EEXIST|ENOTDIR/)
    rmSync(place.directory!)
    renameSync(`${place.directory}-aside`, place.directory!)
    assert.deepEqual(await steered.steering.pause(), {
      ...{ step, wasPaused: true },
      checkpoint: { step, directory: steered.checkpoint(step) },
    })
    steered.steering.continue()
    await steered.finishes()
  })

  it('has no checkpoint where the run makes none', async () => {
    const { steered, first } = await paused({ every: { kind: 'off' } })
    assert.equal(first.checkpoint, undefined)
    await assert.rejects(steered.steering.checkpoint(), { code: 'usage', message: /--checkpoint-every off/ })
    steered.steering.continue()
    await steered.finishes()
  })
})

describe('a run that goes on', () => {
  it('makes a checkpoint when it is asked', async () => {
    let answer: ReturnType<Steering['checkpoint']> | undefined
    const steered = new Steered(({ steering }) => {
      answer = steering.checkpoint()
    })
    await steered.finishes()
    const { step, directory, failure } = await answer!
    assert.equal(failure, undefined)
    assert.ok(step === ASKED_AT || step === ASKED_AT + 1, `step ${step}`)
    assert.equal(directory, steered.checkpoint(step))
  })

  it('makes a checkpoint of its beginning when it is asked before', async () => {
    const steered = new Steered(() => undefined)
    const early = await steered.steering.checkpoint()
    assert.equal(early.directory, steered.checkpoint(0))
    await steered.finishes()
  })

  it('is not paused when it is continued or stopped before its step is done', async () => {
    for (const [act, why] of [
      [({ steering }: Steered) => assert.equal(steering.continue(), true), /asked to continue/],
      [({ stop }: Steered) => stop.abort(), /asked to end/],
    ] as const) {
      let answer: Promise<void> | undefined
      const steered = new Steered((self) => {
        answer = assert.rejects(self.steering.pause(), { code: 'unavailable', message: why })
        act(self)
      })
      await steered.ended
      await answer!
      assert.equal(
        steered.events.some(({ kind }) => kind === 'paused'),
        false,
      )
    }
  })

  it('answers those who wait when it ends', async () => {
    const steered = new Steered(() => undefined)
    await steered.ended
    const answer = assert.rejects(steered.steering.pause(), { code: 'unavailable', message: /ended/ })
    steered.steering.end()
    await answer
    await assert.rejects(steered.steering.checkpoint(), { code: 'unavailable', message: 'The run is over.' })
    assert.ok(existsSync(steered.checkpoint(STEPS)))
  })
})
