import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { after, describe, it } from 'node:test'
import { Command } from 'commander'
import type { RunConfigFlags } from '../../../src/cli/flags/run-config-flags.js'
import { runConfigFrom } from '../../../src/cli/flags/run-config-flags.js'
import { addRunFlags, readRunFlags } from '../../../src/cli/flags/run-flags.js'
import { RECIPES } from '../../../src/model/config/recipes.js'
import type { RunConfig } from '../../../src/model/config/run-config.js'
import type { ConvoyError } from '../../../src/shared/errors.js'

const scratch = mkdtempSync(path.join(os.tmpdir(), 'convoy-config-'))
after(() => {
  rmSync(scratch, { recursive: true, force: true })
})

function file(text: string): string {
  const name = path.join(scratch, 'run.yaml')
  writeFileSync(name, text)
  return name
}

async function config(flags: RunConfigFlags, environment: NodeJS.ProcessEnv = {}): Promise<RunConfig> {
  const resolved = await runConfigFrom(flags, environment)
  assert.deepEqual(resolved.problems, [])
  return resolved.config!
}

describe('configuration', () => {
  for (const recipe of Object.keys(RECIPES)) {
    it(`accepts the recipe ${recipe}`, async () => {
      await config({ recipe })
    })
  }

  it('gives precedence in the order defaults < file < environment < flags < --set', async () => {
    const yaml = file('seed: 2\nepochs: 2\nbatchSize: 64\nlabelSmoothing: 0.2\nnetwork:\n  reg: 0.5\n')
    const environment = { CONVOY_EPOCHS: '3', CONVOY_BATCH_SIZE: '96', CONVOY_LABEL_SMOOTHING: '0.3' }
    const resolved = await config(
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

  it('reports the origin of an unknown recipe, and falls back to the recipe quick', async () => {
    const yaml = file('recipe: 5\n')
    assert.match((await runConfigFrom({ recipe: 'a' }, { CONVOY_RECIPE: 'b' })).problems[0]!, /^--recipe: .*"a"/)
    assert.match((await runConfigFrom({ config: yaml }, { CONVOY_RECIPE: 'b' })).problems[0]!, /^CONVOY_RECIPE: .*"b"/)
    assert.match((await runConfigFrom({ config: yaml }, {})).problems[0]!, /run\.yaml: recipe: .*"5"/)
    assert.equal((await runConfigFrom({ config: file('recipe: wide8\n') }, {})).recipe, 'wide8')
    assert.equal((await runConfigFrom({}, {})).recipe, 'quick')
  })

  it('accepts seed, the former name of the recipe and the network wide8', async () => {
    const former = await runConfigFrom({ recipe: 'seed' }, {})
    assert.equal(former.recipe, 'wide8')
    assert.deepEqual(former.config, await config({ recipe: 'wide8' }))
    const network = file('network: { name: seed }\nepochs: 3\n')
    assert.equal((await config({ config: network })).network.name, 'wide8')
  })

  it('resolves a printed configuration to itself', async () => {
    const first = await config({ recipe: 'resnet18', seed: '9' })
    assert.deepEqual(await config({ config: file(JSON.stringify(first)) }), first)
  })

  it('takes the defaults of another optimizer or schedule, and keeps the learning rate', async () => {
    const resolved = await config({ optimizer: 'adamw', schedule: 'step', set: ['schedule.factor=0.5'] })
    assert.equal(resolved.optimizer.kind, 'adamw')
    assert.deepEqual(resolved.schedule, { kind: 'step', initial: 0.8, milestones: [0.5, 0.75], factor: 0.5 })
    assert.deepEqual(((await config({ learningRate: '0.7' })).schedule as { peak: number }).peak, 0.7)
  })

  it('reads the recipe from a file', async () => {
    assert.equal((await config({ config: file('recipe: resnet20\n') })).network.name, 'resnet20')
  })
})

describe('invalid configuration', () => {
  const problems = async (flags: RunConfigFlags, environment: NodeJS.ProcessEnv = {}): Promise<readonly string[]> => {
    const resolved = await runConfigFrom(flags, environment)
    assert.equal(resolved.config, undefined)
    return resolved.problems
  }

  it('reports all problems at once, each with its flag, variable or key', async () => {
    const found = await problems(
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

  it('treats __proto__ as an unknown setting, and leaves Object.prototype unchanged', async () => {
    const found = await problems({
      set: ['__proto__.seed=3', 'network.__proto__.reg=1'],
      config: file('__proto__: {a: 1}\n'),
    })
    assert.equal(found.length, 3)
    for (const problem of found) assert.match(problem, /__proto__.*no such setting/)
    assert.equal(Reflect.get({}, 'seed'), undefined)
  })

  it('proposes a valid batch size where the given one is no multiple of the shard size', async () => {
    assert.match((await problems({ batchSize: '100' }))[0]!, /--batch-size 100.*96/)
  })

  it('reports an invalid shard size once', async () => {
    assert.equal((await problems({ shardSize: '0' })).length, 1)
  })

  it('reports the flag that set an object with an invalid field', async () => {
    assert.match(
      (await problems({ set: ['augmentation={zoom: 2}'] }))[0]!,
      /^--set augmentation=.*\(augmentation\.zoom\)/,
    )
  })

  it('lists the recipes for an unknown one', async () => {
    assert.match((await problems({ recipe: 'fast' }))[0]!, /quick, resnet20/)
  })

  it('rejects a file that is missing, is not YAML or holds no settings', async () => {
    assert.match((await problems({ config: path.join(scratch, 'none.yaml') }))[0]!, /no such file/)
    assert.match((await problems({ config: file('a: [') }))[0]!, /run\.yaml/)
    assert.match((await problems({ config: file('just words') }))[0]!, /no settings/)
  })

  it('reports problems of the run together with those of its configuration', async () => {
    const flags = { epochs: '0', workers: '0', name: 'a/b', listen: 'x', adminListen: 'x', metricsListen: 'x' }
    const command = addRunFlags(new Command('train'), { listen: '', adminListen: '', metricsListen: '' })
    await assert.rejects(readRunFlags(flags, command), (error: ConvoyError) => {
      assert.equal(error.exitStatus, 2)
      for (const flag of [/--epochs/, /--workers/, /--name/]) assert.match(error.message, flag)
      return true
    })
  })
})
