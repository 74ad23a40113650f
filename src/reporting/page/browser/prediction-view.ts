import type { InspectedImage, Inspection } from '../inspection.js'
import { byId, element } from './dom.js'
import { count, counted, share } from './format.js'
import { bytesOf, photograph } from './pictures.js'

/** Images with the network's predictions. */
export class PredictionView {
  readonly #onChoice: (image: InspectedImage) => void
  #shown: Inspection | undefined

  /** @param onChoice called with the image whose feature maps to show */
  constructor(onChoice: (image: InspectedImage) => void) {
    this.#onChoice = onChoice
  }

  /** @param whose names the weights of a step */
  show(inspection: Inspection | undefined, classNames: readonly string[], whose: (step: number) => string): void {
    if (inspection === this.#shown) return
    this.#shown = inspection
    byId('predictions').hidden = inspection === undefined
    if (inspection === undefined) return
    const { step, split, examined, splitSize, samples, mistakes, mistakeCount, accuracy, imageShape } = inspection
    const part = examined < splitSize ? `${count(examined)} of the ${count(splitSize)}` : count(examined)
    byId('predicted').textContent =
      `${part} ${split} images after step ${count(step)}${whose(step)}: accuracy ${share(accuracy)}, ${counted(mistakeCount, 'mistake')}. ` +
      'Choose an image to see its feature maps.'
    const grid = (images: readonly InspectedImage[]): HTMLElement[] =>
      images.map((image) => this.#button(image, imageShape, classNames))
    byId('samples').replaceChildren(...grid(samples))
    byId('mistakes').replaceChildren(...(mistakes.length > 0 ? grid(mistakes) : ['None.']))
    const first = samples[0]
    if (first) this.#choose(first)
  }

  #button(image: InspectedImage, shape: Inspection['imageShape'], classNames: readonly string[]): HTMLElement {
    const { label, probabilities, pixels, sample } = image
    const answer = probabilities.indexOf(Math.max(...probabilities))
    const name = (index: number): string => classNames[index] ?? `${index}`
    const isRight = answer === label
    const button = element(
      'button',
      { type: 'button', class: 'photograph', 'aria-pressed': 'false', 'data-sample': `${sample}` },
      photograph(bytesOf(pixels), shape, `Image ${sample}`),
      element('bdi', {}, name(answer)),
      element(
        'span',
        { class: isRight ? 'good' : 'bad' },
        `${isRight ? '✓' : '✗'} ${share(probabilities[answer] ?? 0)}`,
      ),
      ...(isRight ? [] : [element('span', {}, 'actual: ', element('bdi', {}, name(label)))]),
    )
    button.addEventListener('click', () => this.#choose(image))
    return button
  }

  #choose(image: InspectedImage): void {
    for (const button of document.querySelectorAll<HTMLElement>('button.photograph'))
      button.setAttribute('aria-pressed', `${button.dataset['sample'] === `${image.sample}`}`)
    this.#onChoice(image)
  }
}
