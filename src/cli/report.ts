import { existsSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { Command } from 'commander'
import writeFileAtomic from 'write-file-atomic'
import { readStory } from '../coordinator/reporting/read-story.js'
import type { Inspection, Kernels } from '../dashboard/inspection.js'
import { kernelsOf } from '../dashboard/inspection.js'
import { reportPage } from '../dashboard/page-files.js'
import type { Looking } from '../dashboard/page-state.js'
import { weightsSha256 as sha256Of } from '../model/weights-sha256.js'
import type { WeightsName } from '../saved-model/trained-model.js'
import { loadTrainedModel } from '../saved-model/trained-model.js'
import { ConvoyError } from '../shared/errors.js'
import { printable } from '../shared/log/printable.js'
import { standardError, standardOutput } from '../shared/terminal.js'

export function reportCommand(): Command {
  return new Command('report')
    .argument('<run>', 'run directory')
    .option('--out <file>', 'where to (default: report.html in the run directory)')
    .option('--json', 'for machines')
    .action(async (run: string, { out, json }: { out?: string; json?: true }) => {
      const file = await writeReport(run, out)
      standardOutput.print(`${json ? JSON.stringify({ file }) : printable(file)}\n`)
    })
}

/** @returns the file @throws ConvoyError('usage') when it is no run directory or the file cannot be written */
export async function writeReport(run: string, out = path.join(run, 'report.html')): Promise<string> {
  const { status, ...story } = readStory(run)
  const { kernels, inspection, looking } = await lookInside(run)
  const html = reportPage({ ...story, status: { ...status, ...(kernels && { kernels }) }, looking }, inspection)
  try {
    await writeFileAtomic(out, html)
  } catch (error) {
    throw new ConvoyError('usage', `${out} cannot be written: ${(error as Error).message}`, { cause: error })
  }
  return path.resolve(out)
}

interface Inside {
  readonly kernels?: Kernels | undefined
  readonly inspection?: Inspection
  readonly looking: Looking
}

/** What is inside of the best weights, or the last of a run that was interrupted. A report is one without it, too; it says why. */
async function lookInside(run: string): Promise<Inside> {
  const which = existsSync(path.join(run, 'model', 'best')) ? 'best' : 'last'
  let kernels: Kernels | undefined
  try {
    const { description, weights } = await loadTrainedModel(run, which)
    kernels = kernelsOf(description.model.layout, weights)
    const made = { weightsSha256: sha256Of(weights), fingerprint: description.dataset.fingerprint }
    return { kernels, inspection: await inspectionOf(run, which, made), looking: { state: 'done' } }
  } catch (error) {
    const reason = ConvoyError.from(error).message
    standardError.notice(`The report shows no images: ${reason}`)
    return { kernels, looking: { state: 'failed', reason } }
  }
}

/** As it was written down of these weights and the run's data set, or computed now. */
async function inspectionOf(
  run: string,
  weights: WeightsName,
  { weightsSha256, fingerprint }: { weightsSha256: string; fingerprint: string },
): Promise<Inspection> {
  const file = path.join(run, 'inspection.json')
  const kept = readInspection(file)
  const isOfThese = kept?.weightsSha256 === weightsSha256 && kept.dataset?.fingerprint === fingerprint
  if (isOfThese && kept.split === 'test') return kept
  // With TensorFlow, which takes a second to load.
  const { inspectRun } = await import('./inspect.js')
  const inspection = await inspectRun(run, { split: 'test', weights, device: 'cpu' })
  await writeFileAtomic(file, `${JSON.stringify(inspection)}\n`)
  return inspection
}

/** Undefined: there is none, or a damaged one, which is to be computed again. */
function readInspection(file: string): Inspection | undefined {
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as Inspection
  } catch {
    return undefined
  }
}
