import type { KeptWeights, RunEnvironment, Snapshot } from '../page-state.js'
import { byId, element } from './dom.js'
import type { Fact } from './facts.js'
import { described, NOT_RECORDED } from './facts.js'
import { bytes, count, counted, share } from './format.js'

/** Limit on listed names; the others are counted. */
const MAX_CLASSES = 100

let shown: readonly unknown[] = []

/** The settings, data set, versions and machine of the run. */
export function showSettings(run: Snapshot): void {
  const { header, environment, outcome, weights, members } = run
  const parts = [header, environment, outcome, weights, members]
  if (header === undefined || parts.every((part, index) => part === shown[index])) return
  shown = parts
  byId('settings').replaceChildren(
    group('Hyperparameters', header.hyperparameters),
    group('Data set', dataSet(header)),
    group('Run', runFacts(run)),
  )
}

function group(title: string, facts: readonly Fact[]): HTMLElement {
  const known = facts.map(([name, value, hint]): Fact => [name, value ?? NOT_RECORDED, hint])
  return element(
    'div',
    { class: 'group' },
    element('h3', {}, title),
    element('dl', { class: 'list' }, ...described(known)),
  )
}

function dataSet(header: NonNullable<Snapshot['header']>): Fact[] {
  const { dataset, datasetFingerprint, imageShape, sampleShape, classNames, splitSizes, config } = header
  const samples = Object.values(splitSizes).reduce((sum, size) => sum + size, 0)
  const splits = Object.entries(splitSizes).map(([name, size]) => `${name} ${count(size)}`)
  return [
    ['Name', element('bdi', {}, dataset)],
    ['Fingerprint (sha256)', element('code', {}, datasetFingerprint)],
    imageShape === undefined
      ? ['Samples', `${count(samples)}, each ${sampleShape}`]
      : [
          'Images',
          `${count(samples)}, ${imageShape[1]} wide × ${imageShape[0]} high, ${counted(imageShape[2], 'channel')}`,
        ],
    ['Split', `${splits.join(', ')}${config.stratified ? '; same shares of every class' : ''}`],
    ...(classNames.length === 0 ? [] : [['Classes', classList(classNames)] satisfies Fact]),
  ]
}

function classList(names: readonly string[]): HTMLElement {
  const items = names.slice(0, MAX_CLASSES).map((name) => element('li', {}, element('bdi', {}, name)))
  const more = names.length - items.length
  return element(
    'div',
    {},
    `${count(names.length)}:`,
    element('ul', { class: 'names' }, ...items, ...(more > 0 ? [element('li', {}, `and ${count(more)} more`)] : [])),
  )
}

function runFacts({ header, environment, outcome, weights, members, status }: Snapshot): Fact[] {
  const { best, last } = weights ?? {}
  const isOver = status?.end !== undefined || outcome !== undefined
  return [
    ['Command', environment?.command && element('code', {}, commandLine(environment.command))],
    ['Run directory', header && element('code', {}, header.runDirectory)],
    ...(isOver
      ? ([
          ['Best weights', kept(best)],
          ['Last weights', kept(last)],
        ] satisfies Fact[])
      : []),
    ['Software', software(environment, members)],
    ["Coordinator's machine", machine(environment)],
  ]
}

function kept(weights: KeptWeights | undefined): Node | undefined {
  if (weights === undefined) return undefined
  const { step, sha256, validation } = weights
  const about = [
    `after step ${count(step)}`,
    ...(validation
      ? [
          `validation ${validation.accuracy === undefined ? '' : `accuracy ${share(validation.accuracy)}, `}loss ${validation.loss.toFixed(4)}`,
        ]
      : []),
    `sha256 `,
  ]
  return element('div', {}, about.join('; '), element('code', {}, sha256 ?? NOT_RECORDED))
}

function software(environment: RunEnvironment | undefined, members: Snapshot['members']): string | undefined {
  const tensorflow = [...new Set(members.map(({ tensorflowVersion }) => tensorflowVersion))]
  const parts = [
    ...(environment?.convoy === undefined ? [] : [`Convoy ${environment.convoy}`]),
    ...(environment?.node === undefined ? [] : [`Node ${environment.node.replace(/^v/, '')}`]),
    ...(tensorflow.length === 0 ? [] : [`TensorFlow ${tensorflow.join(' and ')}`]),
  ]
  return parts.length === 0 ? undefined : parts.join(', ')
}

function machine({ platform, cpu, cores, memoryBytes }: RunEnvironment = {}): string | undefined {
  const parts = [
    ...(cpu === undefined ? [] : [cpu]),
    ...(cores === undefined ? [] : [counted(cores, 'core')]),
    ...(memoryBytes === undefined ? [] : [`${bytes(memoryBytes)} of memory`]),
    ...(platform === undefined ? [] : [platform]),
  ]
  return parts.length === 0 ? undefined : parts.join(', ')
}

/** Quotes a command for a POSIX shell. */
function commandLine(args: readonly string[]): string {
  const quoted = args.map((arg) => (/^[\w./:=,@%+-]+$/.test(arg) ? arg : `'${arg.replaceAll("'", "'\\''")}'`))
  return ['convoy', ...quoted].join(' ')
}
