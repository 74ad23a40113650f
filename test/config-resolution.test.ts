import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { after, describe, it } from 'node:test'
import type { RunConfigFlags } from '../src/cli/run-config-flags.js'
import { runConfigFrom } from '../src/cli/run-config-flags.js'
import { readRunFlags } from '../src/cli/run-flags.js'
import { RECIPES } from '../src/model/recipes.js'
import type { RunConfig } from '../src/model/run-config.js'
import type { ConvoyError } from '../src/shared/errors.js'

const scratch = mkdtempSync(path.join(os.tmpdir(), 'convoy-config-'))
after(() => {
  rmSync(scratch, { recursive: true, force: true })
})

function file(text: string): string {
  const name = path.join(scratch, 'run.yaml')
  writeFileSync(name, text)
  return name
}

function config(flags: RunConfigFlags, environment: NodeJS.ProcessEnv = {}): RunConfig {
  const resolved = runConfigFrom(flags, environment)
  assert.deepEqual(resolved.problems, [])
  return resolved.config!
}

describe('configuration', () => {
  for (const recipe of Object.keys(RECIPES)) {
    it(`recipe ${recipe} is sound`, () => {
      config({ recipe })
    })
  }

  it('defaults < file < environment < flags < --set', () => {
    const yaml = file('seed: 2\nepochs: 2\nbatchSize: 64\nlabelSmoothing: 0.2\nnetwork:\n  reg: 0.5\n')
    const environment = { CONVOY_EPOCHS: '3', CONVOY_BATCH_SIZE: '96', CONVOY_LABEL_SMOOTHING: '0.3' }
    const resolved = config(
      { config: yaml, batchSize: '160', labelSmoothing: '0.4', set: ['labelSmoothing=0.5'] },
      environment,
    )
    assert.deepEqual(
      [
        resolved.seed,
        resolved.epochs,
        resolved.batchSize,
        resolved.labelSmoothing,
        resolved.network.reg,
        resolved.shardSize,
      ],
      [2, 3, 160, 0.5, 0.5, 32],
    )
  })

  it('names who gave a recipe that does not exist, and the run after the recipe', () => {
    const yaml = file('recipe: 5\n')
    assert.match(runConfigFrom({ recipe: 'a' }, { CONVOY_RECIPE: 'b' }).problems[0]!, /^--recipe: .*"a"/)
    assert.match(runConfigFrom({ config: yaml }, { CONVOY_RECIPE: 'b' }).problems[0]!, /^CONVOY_RECIPE: .*"b"/)
    assert.match(runConfigFrom({ config: yaml }, {}).problems[0]!, /run\.yaml: recipe: .*"5"/)
    assert.equal(runConfigFrom({ config: file('recipe: seed\n') }, {}).recipe, 'seed')
    assert.equal(runConfigFrom({}, {}).recipe, 'quick')
  })

  it('that is printed can be given back', () => {
    const first = config({ recipe: 'resnet18', seed: '9' })
    assert.deepEqual(config({ config: file(JSON.stringify(first)) }), first)
  })

  it('of another optimizer or schedule begins with its own defaults and keeps the learning rate', () => {
    const resolved = config({ optimizer: 'adamw', schedule: 'step', set: ['schedule.factor=0.5'] })
    assert.equal(resolved.optimizer.kind, 'adamw')
    assert.deepEqual(resolved.schedule, { kind: 'step', initial: 0.8, milestones: [0.5, 0.75], factor: 0.5 })
    assert.deepEqual((config({ learningRate: '0.7' }).schedule as { peak: number }).peak, 0.7)
  })

  it('names the recipe in a file', () => {
    assert.equal(config({ config: file('recipe: resnet20\n') }).network.name, 'resnet20')
  })
})

describe('mistakes', () => {
  const problems = (flags: RunConfigFlags, environment: NodeJS.ProcessEnv = {}): readonly string[] => {
    const resolved = runConfigFrom(flags, environment)
    assert.equal(resolved.config, undefined)
    return resolved.problems
  }

  it('are told all at once, each with the flag, variable or key that it came from', () => {
    const found = problems(
      {
        config: file('sede: 1\nnetwork:\n  reg: -1\n'),
        epochs: '0',
        batchSize: '100',
        set: ['augmentation.zoom=2', 'nonsense'],
      },
      { CONVOY_SEED: '-4' },
    )
    for (const origin of [
      /run\.yaml: sede/,
      /run\.yaml: network\.reg/,
      /--epochs 0/,
      /--set augmentation\.zoom=2/,
      /--set nonsense/,
      /CONVOY_SEED/,
    ]) {
      assert.ok(
        found.some((problem) => origin.test(problem)),
        `${origin} in ${found.join('\n')}`,
      )
    }
  })

  it('that would change the prototype of everything are unknown settings', () => {
    const found = problems({
      set: ['__proto__.seed=3', 'network.__proto__.reg=1'],
      config: file('__proto__: {a: 1}\n'),
    })
    assert.equal(found.length, 3)
    for (const problem of found) assert.match(problem, /__proto__.*no such setting/)
    assert.equal(Reflect.get({}, 'seed'), undefined)
  })

  it('batch that is no multiple of the shard names one that is', () => {
    assert.match(problems({ batchSize: '100' })[0]!, /--batch-size 100.*96/)
  })

  it('shard size that cannot be is told once', () => {
    assert.equal(problems({ shardSize: '0' }).length, 1)
  })

  it('in an object that was given whole name who gave it', () => {
    assert.match(problems({ set: ['augmentation={zoom: 2}'] })[0]!, /^--set augmentation=.*\(augmentation\.zoom\)/)
  })

  it('unknown recipe lists the recipes', () => {
    assert.match(problems({ recipe: 'fast' })[0]!, /quick, resnet20/)
  })

  it('files that are not there, no YAML or no settings', () => {
    assert.match(problems({ config: path.join(scratch, 'none.yaml') })[0]!, /no such file/)
    assert.match(problems({ config: file('a: [') })[0]!, /run\.yaml/)
    assert.match(problems({ config: file('just words') })[0]!, /no settings/)
  })

  it('of a run are told together with those of its configuration', () => {
    const flags = { epochs: '0', workers: '0', name: 'a/b', listen: 'x', adminListen: 'x', metricsListen: 'x' }
    assert.throws(
      () => readRunFlags(flags),
      (error: ConvoyError) => {
        assert.equal(error.exitStatus, 2)
        for (const flag of [/--epochs/, /--workers/, /--name/]) assert.match(error.message, flag)
        return true
      },
    )
  })
})
