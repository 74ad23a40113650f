// Draws 600 images: circles, crosses and frames, in shapes/<class>/.
import { drawShapes } from '../draw-shapes.mjs'

const SHAPES = {
  circle: (x, y) => x * x + y * y < 1,
  cross: (x, y) => Math.abs(x) < 0.35 || Math.abs(y) < 0.35,
  frame: (x, y) => Math.max(Math.abs(x), Math.abs(y)) > 0.6,
}
drawShapes('shapes', SHAPES, 200, 1)
