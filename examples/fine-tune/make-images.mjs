// Draws a few images of two new classes: triangles and stripes, in new-shapes/<class>/.
import { drawShapes } from '../draw-shapes.mjs'

const SHAPES = {
  stripes: (_, y) => Math.floor(3 * (y + 1)) % 2 === 0,
  triangle: (x, y) => Math.abs(x) < (y + 1) / 2,
}
drawShapes('new-shapes', SHAPES, 60, 2)
