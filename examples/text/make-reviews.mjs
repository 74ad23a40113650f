// Writes reviews.csv: 1,200 short reviews as token ids, 12 for each, and vocabulary.json with the words of the ids.
import { writeFileSync } from 'node:fs'
import { randomNumbers } from '../random-numbers.mjs'

const LENGTH = 12
const random = randomNumbers(4)
const pick = (list) => list[Math.floor(list.length * random())]

const THINGS = ['plot', 'cast', 'music', 'ending', 'dialogue', 'camera']
const GOOD = ['great', 'moving', 'clever', 'warm', 'sharp']
const BAD = ['dull', 'slow', 'clumsy', 'cold', 'flat']

/** Two sentences; "not" turns a word around, so that single words decide nothing. */
function review() {
  const isGood = random() < 0.5
  const sentence = () => {
    const isTurned = random() < 0.4
    return ['the', pick(THINGS), 'was', ...(isTurned ? ['not'] : []), pick(isGood !== isTurned ? GOOD : BAD)]
  }
  return { words: [...sentence(), 'and', ...sentence()], label: isGood ? 'good' : 'bad' }
}

const reviews = Array.from({ length: 1200 }, review)
const words = [...new Set(reviews.flatMap((one) => one.words))].sort()
// 0 fills up.
const ids = new Map(words.map((word, index) => [word, index + 1]))
const rows = reviews.map((one) => {
  const tokens = one.words.map((word) => ids.get(word))
  return [...tokens, ...Array(LENGTH - tokens.length).fill(0), one.label].join(',')
})
const names = [...Array.from({ length: LENGTH }, (_, index) => `token${index}`), 'opinion']
writeFileSync('reviews.csv', [names.join(','), ...rows, ''].join('\n'))
writeFileSync('vocabulary.json', `${JSON.stringify(['', ...words])}\n`)
