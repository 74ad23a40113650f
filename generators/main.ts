import { mkdirSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { packageRoot } from '../src/shared/package-root.js'
import { generatedFiles } from './generated-files.js'

for (const [name, content] of generatedFiles()) {
  const file = path.join(packageRoot, name)
  mkdirSync(path.dirname(file), { recursive: true })
  writeFileSync(file, content)
}
