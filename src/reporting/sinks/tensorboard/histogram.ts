/** HistogramProto of proto/tensorboard.proto. */
export interface Histogram {
  readonly min: number
  readonly max: number
  readonly num: number
  readonly sum: number
  readonly sumSquares: number
  readonly bucketLimit: readonly number[]
  readonly bucket: readonly number[]
}

/** As many as TensorBoard's own summaries have. */
const BUCKETS = 30

/** Buckets of equal width from the smallest to the largest value; one where all are equal. @param values finite, at least one */
export function histogramOf(values: Float32Array): Histogram {
  let [min, max, sum, sumSquares] = [Infinity, -Infinity, 0, 0]
  for (let index = 0; index < values.length; index++) {
    const value = values[index]!
    if (value < min) min = value
    if (value > max) max = value
    sum += value
    sumSquares += value * value
  }
  const buckets = max > min ? BUCKETS : 1
  const width = (max - min) / buckets
  const bucket = new Array<number>(buckets).fill(0)
  for (let index = 0; index < values.length; index++) {
    const place = width > 0 ? Math.floor((values[index]! - min) / width) : 0
    bucket[Math.min(place, buckets - 1)]!++
  }
  const bucketLimit = bucket.map((_, place) => (place === buckets - 1 ? max : min + (place + 1) * width))
  return { min, max, num: values.length, sum, sumSquares, bucketLimit, bucket }
}
