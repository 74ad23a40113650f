import path from 'node:path'
import { Command } from 'commander'
import writeFileAtomic from 'write-file-atomic'
import { readTimeline } from '../../reporting/page/read-timeline.js'
import { findRunningRun } from '../../coordinator/run-announcement.js'
import { isImages } from '../../data/dataset.js'
import type { Inspection, Kernels } from '../../reporting/page/inspection.js'
import { kernelsOf, MAX_INSPECTION_BYTES } from '../../reporting/page/inspection.js'
import { reportPage } from '../../reporting/page/page-files.js'
import type { KeptWeights, InspectionState, Snapshot, WeightsByName } from '../../reporting/page/page-state.js'
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
    .option('--out <file>', 'output file (default: report.html in the run directory)')
    .option('--json', 'print the path of the file and the numbers of the report, for machines')
    .action(async (run: string, { out, json }: { out?: string; json?: true }) => {
      const { file, timeline } = await writeReport(run, out)
      standardOutput.print(json ? `${JSON.stringify({ file, ...summaryOf(timeline) })}\n` : `${printable(file)}\n`)
    })
}

/**
 * @param out a link given here is followed; the default file in the run directory is replaced, since another user may have put a link there
 * @throws ConvoyError('usage') when `run` is no run directory or the file cannot be written
 */
export async function writeReport(
  run: string,
  out?: string,
): Promise<{ readonly file: string; readonly timeline: ReportTimeline }> {
  const { status, ...read } = readTimeline(run)
  const isGoingOn = status.end === undefined && (await isRunning(run))
  const { kernels, inspection, looking } = await inspectWeights(run)
  const timeline = {
    ...read,
    weights: await withHashes(run, read.weights),
    status: { ...status, ...(isGoingOn && { state: 'running' }), ...(kernels && { kernels }) },
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

/** The report as data for scripts: how the run ended, its numbers, its description. */
function summaryOf({ header, environment, outcome, weights, members, status }: ReportTimeline): object {
  const { state, end } = status
  return { state, end, outcome, weights, run: header, environment, workers: members }
}

/** Whether the run's coordinator is alive. */
async function isRunning(run: string): Promise<boolean> {
  return findRunningRun('', run).then(
    () => true,
    () => false,
  )
}

/** Adds the hashes that the run did not record, computed from the saved weights. Damaged or deleted weights get none. */
async function withHashes(run: string, weights: WeightsByName = {}): Promise<WeightsByName> {
  const hashed: Partial<Record<WeightsName, KeptWeights>> = { ...weights }
  for (const name of WEIGHTS_NAMES) {
    if (weights[name]?.sha256 !== undefined || modelIn(run, name) === undefined) continue
    try {
      const saved = await loadTrainedModel(run, name)
      const sha256 = sha256Of(saved.weights)
      // Weights of another step are not those of the result.
      if ((weights[name]?.step ?? saved.step) === saved.step)
        hashed[name] = { ...weights[name], step: saved.step, sha256 }
    } catch {
      // The report shows the reason in place of the images: see inspectWeights.
    }
  }
  return hashed
}

interface Inside {
  readonly kernels?: Kernels | undefined
  readonly inspection?: Inspection
  readonly looking: InspectionState
}

/** Kernels and images of the best weights, or of the last ones of an interrupted run. Without them the report shows the reason. */
async function inspectWeights(run: string): Promise<Inside> {
  const which = modelIn(run, 'best') !== undefined || modelIn(run, 'last') === undefined ? 'best' : 'last'
  let kernels: Kernels | undefined
  try {
    const { description, weights } = await loadTrainedModel(run, which)
    kernels = kernelsOf(description.model.layout, weights)
    if (!isImages(description.dataset)) return { kernels, looking: { state: 'never' } }
    const made = { weightsSha256: sha256Of(weights), fingerprint: description.dataset.fingerprint }
    return { kernels, inspection: await inspectionOf(run, which, made), looking: { state: 'done' } }
  } catch (error) {
    const reason = ConvoyError.from(error).message
    standardError.printLine(`The report shows no images: ${reason}`)
    return { kernels, looking: { state: 'failed', reason } }
  }
}

/** The stored inspection of these weights and the run's data set, or one computed now. */
async function inspectionOf(
  run: string,
  weights: WeightsName,
  { weightsSha256, fingerprint }: { weightsSha256: string; fingerprint: string },
): Promise<Inspection> {
  const file = path.join(run, 'inspection.json')
  const kept = readInspection(file)
  const isCurrent = kept?.weightsSha256 === weightsSha256 && kept.dataset?.fingerprint === fingerprint
  if (isCurrent && kept.split === 'test') return kept
  // Imported here: TensorFlow takes a second to load.
  const { inspectRun } = await import('./inspect.js')
  const inspection = await inspectRun(run, { split: 'test', weights, device: 'cpu' })
  await replaceFile(file, `${JSON.stringify(inspection)}\n`)
  return inspection
}

/** @returns undefined when the file is missing or damaged; the caller computes it again */
function readInspection(file: string): Inspection | undefined {
  try {
    const text = readTextIfThere(file, MAX_INSPECTION_BYTES)
    return text === undefined ? undefined : (JSON.parse(text) as Inspection)
  } catch (error) {
    standardError.printLine(`${file} is damaged and will be computed again: ${(error as Error).message}`)
    return undefined
  }
}
