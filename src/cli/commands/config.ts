import { Command } from 'commander'
import { stringify } from 'yaml'
import { z } from 'zod'
import { RECIPES } from '../../model/config/recipes.js'
import { runConfigSchema } from '../../model/config/run-config.js'
import { standardOutput } from '../../shared/terminal.js'
import { flagProblems, reportsFlagProblems, throwProblems } from '../flags/flag-problems.js'
import type { RunConfigFlags } from '../flags/run-config-flags.js'
import { addRunConfigFlags, runConfigFrom } from '../flags/run-config-flags.js'

export function configCommand(): Command {
  const show = reportsFlagProblems(addRunConfigFlags(new Command('show')))
    .description('print the resolved configuration, as a file that --config accepts')
    .option('--json', 'for machines')
    .action(async (flags: RunConfigFlags & { json?: true }, command: Command) => {
      const { config, problems } = await runConfigFrom(flags)
      throwProblems([...flagProblems(command), ...problems])
      standardOutput.print(flags.json ? `${JSON.stringify(config)}\n` : stringify(config))
    })
  const recipes = new Command('recipes').description('list the recipes').action(() => {
    for (const [name, { description }] of Object.entries(RECIPES))
      standardOutput.print(`${name.padEnd(10)} ${description}\n`)
  })
  const schema = new Command('schema').description('print the JSON schema of configurations').action(() => {
    standardOutput.print(`${JSON.stringify(z.toJSONSchema(runConfigSchema, { io: 'input' }), null, 2)}\n`)
  })
  return new Command('config').addCommand(show).addCommand(recipes).addCommand(schema)
}
