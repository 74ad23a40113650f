import { Command } from 'commander'
import { DEFAULT_RECIPE } from '../model/recipes.js'
import type { RunConfigFlags } from './run-config-flags.js'
import { addRunFlags, readRunFlags } from './run-flags.js'
import { runTraining } from './run-training.js'

export function coordinatorCommand(): Command {
  return addRunFlags(new Command('coordinator'), {
    listen: '127.0.0.1:7700',
    adminListen: '127.0.0.1:7701',
    metricsListen: '127.0.0.1:7702',
  }).action(async (flags: RunConfigFlags) => {
    const { config, options } = readRunFlags(flags)
    await runTraining(config, options, flags.recipe ?? DEFAULT_RECIPE, () => undefined)
  })
}
