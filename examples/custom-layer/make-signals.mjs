// Writes signals.csv: 1,000 samples of a sine in noise, 32 readings each, and its frequency.
import { writeFileSync } from 'node:fs'
import { randomNumbers } from '../random-numbers.mjs'

const READINGS = 32
const random = randomNumbers(3)

const names = Array.from({ length: READINGS }, (_, index) => `t${index}`)
const rows = Array.from({ length: 1000 }, () => {
  const [frequency, phase] = [1 + 5 * random(), 2 * Math.PI * random()]
  const readings = names.map((_, index) => {
    const angle = (2 * Math.PI * frequency * index) / READINGS + phase
    return (Math.sin(angle) + 0.4 * (random() - 0.5)).toFixed(3)
  })
  return [...readings, frequency.toFixed(3)].join(',')
})
writeFileSync('signals.csv', [[...names, 'frequency'].join(','), ...rows, ''].join('\n'))
