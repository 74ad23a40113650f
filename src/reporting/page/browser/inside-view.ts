import type { InspectedImage, Inspection, Kernels } from '../inspection.js'
import { bar, byId, element } from './dom.js'
import { count, counted, share } from './format.js'
import { bytesOf, featureMap, photograph, picture } from './pictures.js'

const MAX_ANSWERS = 5
const MAX_KERNELS = 64

/** The first layer's kernels, and each block's output for one image, from left to right. */
export class InsideView {
  #kernels = ''
  #image: InspectedImage | undefined
  #drawn: InspectedImage | undefined

  /** Selects the image to show. */
  choose(image: InspectedImage): void {
    this.#image = image
  }

  show(inspection: Inspection | undefined, kernels: Kernels | undefined, classNames: readonly string[]): void {
    if (kernels !== undefined && kernels.values !== this.#kernels) {
      this.#kernels = kernels.values
      showKernels(kernels)
    }
    byId('inside').hidden = inspection === undefined && kernels === undefined
    byId('maps').hidden = inspection === undefined
    if (inspection === undefined || this.#image === undefined || this.#image === this.#drawn) return
    this.#drawn = this.#image
    byId('blocks').replaceChildren(...columns(inspection, this.#image, classNames))
  }
}

function showKernels({ shape: [height, width, channels, kernelCount], largest, values }: Kernels): void {
  const weights = new Int8Array(bytesOf(values).buffer)
  const weight = (pixel: number, channel: number, kernel: number): number =>
    128 + (weights[(pixel * channels + channel) * kernelCount + kernel] ?? 0)
  byId('kernels').replaceChildren(
    ...Array.from({ length: Math.min(kernelCount, MAX_KERNELS) }, (_, kernel) =>
      picture(width, height, `kernel ${kernel}`, (pixel) => {
        const color = (channel: number): number => weight(pixel, channels < 3 ? 0 : channel, kernel)
        return [color(0), color(1), color(2)]
      }),
    ),
  )
  const shown = kernelCount > MAX_KERNELS ? `${MAX_KERNELS} of ${count(kernelCount)}` : count(kernelCount)
  byId('kernels-about').textContent =
    `${shown} kernels of ${height}×${width}, ${channels < 3 ? 'brightness' : 'colours'} by weight: ` +
    `mid-grey is 0, the brightest +${largest.toFixed(2)}, the darkest −${largest.toFixed(2)}.`
}

function columns(
  { blocks, imageShape }: Inspection,
  { pixels, maps, probabilities, label, sample }: InspectedImage,
  classNames: readonly string[],
): HTMLElement[] {
  const name = (index: number): string => classNames[index] ?? `${index}`
  const all = bytesOf(maps)
  let offset = 0
  const ofBlocks = blocks.map(({ name: block, height, width, channels, channelCount }) => {
    const pictures = channels.map((channel) => {
      const values = all.subarray(offset, (offset += height * width))
      return featureMap(values, width, height, `${readable(block)}, channel ${channel}`)
    })
    const about = `${height}×${width}, ${channels.length < channelCount ? `${channels.length} of ` : ''}${counted(channelCount, 'channel')}`
    return column(readable(block), about, ...pictures)
  })
  const answers = probabilities
    .map((probability, index) => ({ probability, index }))
    .toSorted((a, b) => b.probability - a.probability)
    .slice(0, MAX_ANSWERS)
    .map(({ probability, index }) => bar(name(index), share(probability), probability, index === label ? 'right' : ''))
  return [
    column(
      `image ${sample}`,
      element('bdi', {}, name(label)),
      photograph(bytesOf(pixels), imageShape, `Image ${sample}: ${name(label)}`),
    ),
    ...ofBlocks,
    column('prediction', 'probabilities', ...answers),
  ]
}

function column(title: string, about: string | Node, ...content: HTMLElement[]): HTMLElement {
  return element('li', {}, element('h4', {}, title), element('small', {}, about), ...content)
}

/** `stage2_block1`: `stage 2, block 1` */
function readable(block: string): string {
  return block.replace(/([a-z])(\d)/g, '$1 $2').replace('_', ', ')
}
