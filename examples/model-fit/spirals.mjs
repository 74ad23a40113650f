// Points on three spirals. Run by itself, it writes them to spirals.csv.
import { writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { randomNumbers } from '../random-numbers.mjs'

const random = randomNumbers(5)

export const points = Array.from({ length: 1500 }, (_, index) => {
  const radius = random()
  const angle = 4 * radius + (2 * Math.PI * (index % 3)) / 3 + 0.3 * random()
  return [radius * Math.cos(angle), radius * Math.sin(angle)]
})
export const labels = points.map((_, index) => index % 3)

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const rows = points.map(([x, y], index) => `${x.toFixed(4)},${y.toFixed(4)},${'abc'[labels[index]]}`)
  writeFileSync('spirals.csv', ['x,y,spiral', ...rows, ''].join('\n'))
}
