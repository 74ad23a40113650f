// Writes houses.csv: 1,000 houses, whose price follows from the other columns, but for some noise.
import { writeFileSync } from 'node:fs'
import { randomNumbers } from '../random-numbers.mjs'

const random = randomNumbers(1)
const DISTRICTS = { harbour: 60, hills: 140, station: 20 }

const rows = Array.from({ length: 1000 }, () => {
  const area = 30 + 120 * random()
  const rooms = 1 + Math.floor(area / 40 + 2 * random())
  const age = Math.floor(100 * random())
  const district = Object.keys(DISTRICTS)[Math.floor(3 * random())]
  const price = 2.5 * area + 10 * rooms - 0.8 * age + DISTRICTS[district] + 30 * (random() - 0.5)
  return [area.toFixed(1), rooms, age, district, price.toFixed(1)].join(',')
})
writeFileSync('houses.csv', ['area,rooms,age,district,price', ...rows, ''].join('\n'))
