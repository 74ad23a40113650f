// A reporter of node:test: the ten slowest test files and tests, once all have run.
import path from 'node:path'

const LISTED = 10

/** @param {AsyncIterable<{ type: string, data: any }>} source events of node:test */
export default async function* slowestTests(source) {
  const tests = []
  /** Spans of the files, in milliseconds of this process's clock: a file's tests may overlap. */
  const files = new Map()
  for await (const { type, data } of source) {
    if (type !== 'test:pass' && type !== 'test:fail') continue
    const { duration_ms: durationMs, type: kind } = data.details
    const file = path.basename(data.file ?? data.name)
    if (data.nesting === 0) files.set(file, (files.get(file) ?? 0) + durationMs)
    if (kind !== 'suite') tests.push({ name: `${file}: ${data.name}`, durationMs })
  }
  yield* list(
    'Slowest test files',
    [...files].map(([name, durationMs]) => ({ name, durationMs })),
  )
  yield* list('Slowest tests', tests)
}

function* list(title, rows) {
  const slowest = rows.sort((a, b) => b.durationMs - a.durationMs).slice(0, LISTED)
  yield `# ${title}:\n`
  for (const { name, durationMs } of slowest) yield `# ${(durationMs / 1000).toFixed(1).padStart(7)} s  ${name}\n`
}
