#!/usr/bin/env -S node --single-threaded-gc
// `convoy …`: makes the checkout ready if it is not, then runs the command.
import { ensureSetup, isExpected, report } from '../scripts/setup.mjs'

/** Commands that compute, and so need TensorFlow and the data. */
const COMPUTING = new Set(['train', 'bench', 'coordinator', 'worker', 'eval', 'predict'])

try {
  // A supervised worker was started by a command that has just looked.
  if (!process.argv.includes('--supervised'))
    await ensureSetup({
      runtime: COMPUTING.has(process.argv[2]) && !process.argv.includes('--help'),
      // Decoding it takes a minute, for nothing where another data set is named. What needs it after all decodes it then.
      cifar10: !process.argv.some((argument) => /^--data(=|$)/.test(argument)),
    })
  const { main } = await import('../dist/src/cli/main.js')
  await main(process.argv)
} catch (error) {
  report(isExpected(error) ? `✖ ${error.message}` : error.stack)
  process.exitCode = error.exitStatus ?? 1
}
