import path from 'node:path'
import { packageRoot } from '../../src/shared/package-root.js'
import { CONVOY, pythonOracle } from './python-oracle.js'

// npm run oracle: makes runs of every kind, and compares them with a program that was written from docs/reference/semantics.md alone.
// npm run oracle -- --only quick --verbose: some of them, with every number.

try {
  const oracle = await pythonOracle((directory) => process.stderr.write(`Installing JAX and NumPy in ${directory} …\n`))
  const vectors = await oracle.run(['vectors', path.join(packageRoot, 'docs', 'reference', 'semantics.md')], 'inherit')
  const cases = await oracle.run(['cases', '--convoy', CONVOY, ...process.argv.slice(2)], 'inherit')
  process.exitCode = vectors.status || cases.status || 0
} catch (error) {
  process.stderr.write(`✖ ${(error as Error).message}\n`)
  process.exitCode = 1
}
