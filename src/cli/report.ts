import { existsSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { Command } from 'commander'
import writeFileAtomic from 'write-file-atomic'
import { readStory } from '../coordinator/reporting/read-story.js'
import type { Inspection } from '../dashboard/inspection.js'
import { kernelsOf } from '../dashboard/inspection.js'
import { reportPage } from '../dashboard/page-files.js'
import { loadTrainedModel } from '../saved-model/trained-model.js'
import { ConvoyError } from '../shared/errors.js'

export function reportCommand(): Command {
  return new Command('report')
    .description('Write the page of a run as one HTML file that needs nothing else')
    .argument('<run>', 'run directory')
    .option('--out <file>', 'where to (default: report.html in the run directory)')
    .option('--json', 'for machines')
    .action(async (run: string, { out, json }: { out?: string; json?: true }) => {
      const file = await writeReport(run, out)
      process.stdout.write(json ? `${JSON.stringify({ file })}\n` : `${file}\n`)
    })
}

/** @returns the file @throws ConvoyError('usage') when it is no run directory or the file cannot be written */
export async function writeReport(run: string, out = path.join(run, 'report.html')): Promise<string> {
  const story = readStory(run)
  const looked = await look(run)
  const { status } = story
  const html = reportPage(
    {
      ...story,
      ...(status && { status: { ...status, ...looked.kernels } }),
      looking: looked.reason === undefined ? { state: 'done' } : { state: 'failed', reason: looked.reason },
    },
    looked.inspection,
  )
  try {
    await writeFileAtomic(out, html)
  } catch (error) {
    throw new ConvoyError('usage', `--out ${out}: ${(error as Error).message}`, { cause: error })
  }
  return path.resolve(out)
}

/** What is inside of the best weights: as it was written down, or computed now. A report without it is one, too. */
async function look(run: string): Promise<{ kernels?: object; inspection?: Inspection; reason?: string }> {
  try {
    const { description, weights, step } = await loadTrainedModel(run, 'best')
    const kernels = { kernels: kernelsOf(description.model.layout, weights) }
    try {
      return { kernels, inspection: await inspectionOf(run, step) }
    } catch (error) {
      return { kernels, reason: sayWhy(error) }
    }
  } catch (error) {
    return { reason: sayWhy(error) }
  }
}

async function inspectionOf(run: string, step: number): Promise<Inspection> {
  const file = path.join(run, 'inspection.json')
  if (existsSync(file)) {
    const kept = JSON.parse(readFileSync(file, 'utf8')) as Inspection
    if (kept.step === step && kept.split === 'test') return kept
  }
  // With TensorFlow, which takes a second to load.
  const { inspectRun } = await import('./inspect.js')
  const inspection = await inspectRun(run, { split: 'test', weights: 'best', device: 'cpu' })
  await writeFileAtomic(file, `${JSON.stringify(inspection)}\n`)
  return inspection
}

function sayWhy(error: unknown): string {
  const { message } = ConvoyError.from(error)
  process.stderr.write(`The report shows no images: ${message}\n`)
  return message
}
