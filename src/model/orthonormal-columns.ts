/**
 * The orthonormal columns that span those of a matrix, by Gram and Schmidt, twice for precision. In float64, with additions, products and
 * square roots alone: the same bits on every machine.
 * @param matrix `[rows, columns]`, rows not fewer than columns
 * @returns a vector of each row, of `columns` values
 */
export function orthonormalColumns(matrix: ArrayLike<number>, rows: number, columns: number): Float64Array[] {
  const done: Float64Array[] = []
  for (let column = 0; column < columns; column++) {
    const vector = Float64Array.from({ length: rows }, (_, row) => matrix[row * columns + column]!)
    for (let pass = 0; pass < 2; pass++)
      for (const other of done) {
        const along = dot(vector, other)
        for (let row = 0; row < rows; row++) vector[row]! -= along * other[row]!
      }
    const length = Math.sqrt(dot(vector, vector))
    done.push(vector.map((value) => value / length))
  }
  return Array.from({ length: rows }, (_, row) => Float64Array.from(done, (vector) => vector[row]!))
}

function dot(one: Float64Array, other: Float64Array): number {
  let sum = 0
  for (let index = 0; index < one.length; index++) sum += one[index]! * other[index]!
  return sum
}
