import path from 'node:path'
import { Command } from 'commander'
import writeFileAtomic from 'write-file-atomic'
import { readTimeline } from '../../reporting/page/read-timeline.js'
import { findRunningRun } from '../../coordinator/run-announcement.js'
import type { Inspection, Kernels } from '../../reporting/page/inspection.js'
import { kernelsOf, MAX_INSPECTION_BYTES } from '../../reporting/page/inspection.js'
import { reportPage } from '../../reporting/page/page-files.js'
import type { KeptWeights, Looking, Snapshot, WeightsByName } from '../../reporting/page/page-state.js'
import { weightsSha256 as sha256Of } from '../../model/weights-sha256.js'
import type { WeightsName } from '../../exports/trained-model.js'
import { loadTrainedModel, modelIn, WEIGHTS_NAMES } from '../../exports/trained-model.js'
import { ConvoyError } from '../../shared/errors.js'
import { printable } from '../../shared/log/printable.js'
import { readTextIfThere } from '../../shared/read-file.js'
import { replaceFile } from '../../shared/replace-file.js'
import { standardError, standardOutput } from '../../shared/terminal.js'

export function reportCommand(): Command {
  return new Command('report')
    .argument('<run>', 'run directory')
    .option('--out <file>', 'where to (default: report.html in the run directory)')
    .option('--json', 'print the file and what the report says in numbers, for machines')
    .action(async (run: string, { out, json }: { out?: string; json?: true }) => {
      const { file, timeline } = await writeReport(run, out)
      standardOutput.print(json ? `${JSON.stringify({ file, ...summaryOf(timeline) })}\n` : `${printable(file)}\n`)
    })
}

/**
 * @param out a link that the user names is followed; one in the run directory, which may come from somebody else, is replaced
 * @throws ConvoyError('usage') when it is no run directory or the file cannot be written
 */
export async function writeReport(
  run: string,
  out?: string,
): Promise<{ readonly file: string; readonly timeline: ReportTimeline }> {
  const { status, ...read } = readTimeline(run)
  const goesOn = status.end === undefined && (await isRunning(run))
  const { kernels, inspection, looking } = await lookInside(run)
  const timeline = {
    ...read,
    weights: await withHashes(run, read.weights),
    status: { ...status, ...(goesOn && { state: 'running' }), ...(kernels && { kernels }) },
    looking,
  }
  const html = reportPage(timeline, inspection)
  const file = out ?? path.join(run, 'report.html')
  try {
    await (out === undefined ? replaceFile(file, html) : writeFileAtomic(file, html))
  } catch (error) {
    throw new ConvoyError('usage', `${file} cannot be written: ${(error as Error).message}`, { cause: error })
  }
  return { file: path.resolve(file), timeline }
}

type ReportTimeline = Snapshot & Required<Pick<Snapshot, 'status'>>

/** What a script asks of a report: how the run ended, its numbers, and what it was. */
function summaryOf({ header, environment, outcome, weights, members, status }: ReportTimeline): object {
  const { state, end } = status
  return { state, end, outcome, weights, run: header, environment, workers: members }
}

/** Whether its coordinator lives. */
async function isRunning(run: string): Promise<boolean> {
  return findRunningRun('', run).then(
    () => true,
    () => false,
  )
}

/** Hashes that were not written down, out of the saved weights. Weights that are damaged, or gone, have none. */
async function withHashes(run: string, weights: WeightsByName = {}): Promise<WeightsByName> {
  const hashed: Partial<Record<WeightsName, KeptWeights>> = { ...weights }
  for (const name of WEIGHTS_NAMES) {
    if (weights[name]?.sha256 !== undefined || modelIn(run, name) === undefined) continue
    try {
      const saved = await loadTrainedModel(run, name)
      const sha256 = sha256Of(saved.weights)
      // Weights of another step are not those that the result speaks of.
      if ((weights[name]?.step ?? saved.step) === saved.step)
        hashed[name] = { ...weights[name], step: saved.step, sha256 }
    } catch {
      // What is wrong with them stands where the images would be.
    }
  }
  return hashed
}

interface Inside {
  readonly kernels?: Kernels | undefined
  readonly inspection?: Inspection
  readonly looking: Looking
}

/** What is inside of the best weights, or the last of a run that was interrupted. A report is one without it, too; it says why. */
async function lookInside(run: string): Promise<Inside> {
  const which = modelIn(run, 'best') !== undefined || modelIn(run, 'last') === undefined ? 'best' : 'last'
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
  await replaceFile(file, `${JSON.stringify(inspection)}\n`)
  return inspection
}

/** Undefined: there is none, or a damaged one, which is to be computed again and replaced. */
function readInspection(file: string): Inspection | undefined {
  try {
    const text = readTextIfThere(file, MAX_INSPECTION_BYTES)
    return text === undefined ? undefined : (JSON.parse(text) as Inspection)
  } catch (error) {
    standardError.notice(`${file} is damaged, and is made again: ${(error as Error).message}`)
    return undefined
  }
}
