// Writes flats.csv: 1,000 flats with a rent (in hundreds), a district, and whether they have a lift and a balcony.
import { writeFileSync } from 'node:fs'
import { randomNumbers } from '../random-numbers.mjs'

const random = randomNumbers(2)

const rows = Array.from({ length: 1000 }, () => {
  const [area, floor, noise, year] = [20 + 100 * random(), Math.floor(8 * random()), random(), 1900 + 120 * random()]
  const district = noise > 0.7 ? 'station' : year < 1960 ? 'old-town' : 'park'
  const rent = 0.08 * area + 0.2 * floor + (district === 'park' ? 1.5 : 0) + 0.4 * (random() - 0.5)
  const lift = Number(floor > 3 || year > 1990)
  const balcony = Number(area + 20 * random() > 60)
  return [area.toFixed(1), floor, noise.toFixed(2), year.toFixed(0), rent.toFixed(2), district, lift, balcony].join(',')
})
writeFileSync('flats.csv', ['area,floor,noise,year,rent,district,lift,balcony', ...rows, ''].join('\n'))
