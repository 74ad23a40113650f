/** A data set's or an image's shape, for people. */
export function shapeOf({ height, width, channels }: { height: number; width: number; channels: number }): string {
  return `${height}x${width}x${channels}`
}
