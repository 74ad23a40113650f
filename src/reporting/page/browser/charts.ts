import uPlot from 'uplot'
import type { Snapshot, StepPoint } from '../page-state.js'
import { byId, element } from './dom.js'

const HEIGHT_PX = 220

interface Series {
  readonly label: string
  /** A custom property of the style sheet. */
  readonly color: string
  /** One value for each of the points; null: none. */
  readonly of: (run: Snapshot, smoothing: number) => (number | null)[]
}

interface ChartDefinition {
  readonly title: string
  /** What the vertical axis measures, with its unit. */
  readonly measures: string
  /** @default always */
  readonly isShown?: (run: Snapshot) => boolean
  readonly series: readonly Series[]
}

const CHARTS: readonly ChartDefinition[] = [
  {
    title: 'Loss',
    measures: 'mean per sample; of classes the cross-entropy (nats)',
    series: [
      { label: 'batch', color: '--main', of: smoothed(({ loss }) => loss) },
      { label: 'validation', color: '--warn', of: evaluated(({ loss }) => loss) },
    ],
  },
  {
    title: 'Accuracy',
    isShown: ({ header }) => header === undefined || header.classNames.length > 0,
    measures: 'accuracy (%)',
    series: [
      { label: 'batch', color: '--main', of: smoothed(({ accuracy = 0 }) => 100 * accuracy) },
      { label: 'validation', color: '--warn', of: evaluated(({ accuracy = 0 }) => 100 * accuracy) },
    ],
  },
  {
    title: 'Learning rate',
    measures: 'learning rate',
    series: [{ label: 'rate', color: '--main', of: exact(({ learningRate }) => learningRate) }],
  },
  {
    title: 'Speed',
    measures: 'training samples per second',
    series: [
      {
        label: 'samples/s',
        color: '--main',
        of: (run, smoothing) =>
          smoothed(({ durationMs }) => (1000 * (run.header?.config.batchSize ?? 0)) / durationMs)(run, smoothing),
      },
    ],
  },
]

function exact(of: (point: StepPoint) => number): Series['of'] {
  return ({ points }) => points.map(of)
}

/** The exponential mean up to each point. */
function smoothed(of: (point: StepPoint) => number): Series['of'] {
  return ({ points }, smoothing) => {
    let mean: number | undefined
    return points.map((point) => {
      mean = mean === undefined ? of(point) : smoothing * mean + (1 - smoothing) * of(point)
      return mean
    })
  }
}

/** Values at the first point not before the evaluation. */
function evaluated(of: (evaluation: Snapshot['evaluations'][number]) => number): Series['of'] {
  return ({ points, evaluations }) => {
    const values = new Array<number | null>(points.length).fill(null)
    for (const evaluation of evaluations) {
      if (evaluation.split !== 'validation') continue
      const index = points.findIndex(({ step }) => step >= evaluation.step)
      if (index >= 0) values[index] = of(evaluation)
    }
    return values
  }
}

interface Chart {
  readonly definition: ChartDefinition
  readonly figure: HTMLElement
  readonly plot: uPlot
  /** The shown range, unless the user zooms. */
  range: { readonly min: number; readonly max: number }
}

/** The charts of the page, over steps. Each zooms separately; all point at the same step. */
export class Charts {
  readonly #charts: readonly Chart[]
  #run: Snapshot | undefined

  constructor() {
    this.#charts = CHARTS.map((definition) => this.#create(definition))
    byId('smoothing').addEventListener('input', () => {
      if (this.#run !== undefined) this.show(this.#run)
    })
    byId('range').addEventListener('change', () => {
      // This resets a zoom by the user.
      if (this.#run !== undefined) this.show(this.#run, true)
    })
    new ResizeObserver(() => {
      for (const { figure, plot } of this.#charts) plot.setSize({ width: figure.clientWidth, height: HEIGHT_PX })
    }).observe(byId('charts'))
  }

  /** @param reset whether to reset the zoom */
  show(run: Snapshot, reset = false): void {
    this.#run = run
    const smoothing = Number((byId('smoothing') as HTMLInputElement).value)
    const part = Number((byId('range') as HTMLSelectElement).value)
    const steps = run.points.map(({ step }) => step)
    const [first = 0, last = 1] = [steps[0], steps.at(-1)]
    const range = { min: last - part * (last - first), max: Math.max(last, first + 1) }
    for (const chart of this.#charts) {
      const { definition, figure, plot } = chart
      figure.hidden = definition.isShown?.(run) === false
      const values = definition.series.map(({ of }) => of(run, smoothing))
      const { min = 0, max = 0 } = plot.scales['x'] ?? {}
      const [before] = plot.data
      const isWhole = before.length === 0 || (min <= before[0]! && max >= before.at(-1)!)
      const isZoomed = !isWhole && (min !== chart.range.min || max !== chart.range.max)
      plot.setData([steps, ...values], false)
      plot.setLegend({})
      if (reset || !isZoomed) plot.setScale('x', (chart.range = range))
      else plot.redraw()
      const newest = definition.series.map(({ label }, index) => {
        const value = values[index]?.findLast((candidate) => candidate !== null)
        return `${label} ${value === undefined || value === null ? 'not measured' : value.toPrecision(4)}`
      })
      plot.root.setAttribute('aria-label', `${definition.title}, ${definition.measures}, by step: ${newest.join(', ')}`)
    }
  }

  #create(definition: ChartDefinition): Chart {
    const caption = element('figcaption', {}, definition.title)
    const figure = element('figure', {}, caption, element('div', { class: 'axis-name' }, `↑ ${definition.measures}`))
    byId('charts').append(figure)
    // Resolves the property in this colour scheme: a canvas does not support var() and light-dark().
    const probe = element('span', { hidden: '' })
    figure.append(probe)
    const color = (property: string) => (): string => {
      probe.style.color = `var(${property})`
      return getComputedStyle(probe).color
    }
    const font = '12px system-ui, sans-serif'
    const values = (_: uPlot, marks: number[]): string[] =>
      marks.map((mark) => mark.toLocaleString('en', { maximumSignificantDigits: 6 }))
    const widthOf = (_: uPlot, marks: string[] | null): number =>
      16 + 7 * (marks ?? []).reduce((most, { length }) => Math.max(most, length), 4)
    const axis = {
      stroke: color('--faint'),
      grid: { stroke: color('--line'), width: 1 },
      ticks: { show: false },
      font,
      values,
    }
    const plot = new uPlot(
      {
        width: figure.clientWidth,
        height: HEIGHT_PX,
        scales: { x: { time: false } },
        legend: { markers: { stroke: (_, series) => `var(${definition.series[series - 1]?.color ?? '--text'})` } },
        cursor: { sync: { key: 'steps' } },
        axes: [
          { ...axis, size: 28 },
          { ...axis, size: widthOf },
        ],
        series: [
          { label: 'step', value: legendValue },
          ...definition.series.map(({ label, color: property }, index) => ({
            label,
            value: legendValue,
            stroke: color(property),
            width: 1.5,
            spanGaps: true,
            points: { show: index > 0 },
          })),
        ],
      },
      [[], ...definition.series.map(() => [])],
      figure,
    )
    plot.root.setAttribute('role', 'img')
    plot.root.querySelector('.u-wrap')!.after(element('div', { class: 'axis-name across' }, 'step →'))
    // Redraw the canvas for new colours.
    for (const query of ['(prefers-color-scheme: dark)', 'print'])
      matchMedia(query).addEventListener('change', () => plot.redraw())
    return { definition, figure, plot, range: { min: 0, max: 1 } }
  }
}

/** The legend's value of a series: at or before the pointer; the newest without a pointer. */
function legendValue({ data }: uPlot, value: number | null, series: number, index: number | null): string {
  const values = data[series] as readonly (number | null)[] | undefined
  const known = value ?? values?.slice(0, (index ?? values.length) + 1).findLast((candidate) => candidate !== null)
  return known?.toLocaleString('en', { maximumSignificantDigits: 5 }) ?? 'none yet'
}
