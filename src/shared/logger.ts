import path from 'node:path'
import winston from 'winston'

export type Logger = winston.Logger

/**
 * The log of a run: `convoy.log` in its directory, one JSON object a line.
 * Nothing goes to the terminal, which belongs to the progress display.
 */
export function createLogger(directory: string): Logger {
  return winston.createLogger({
    level: 'info',
    format: winston.format.combine(winston.format.timestamp(), winston.format.json()),
    transports: [new winston.transports.File({ filename: path.join(directory, 'convoy.log') })],
  })
}

/** Writes what is buffered and closes the file. */
export async function closeLogger(logger: Logger): Promise<void> {
  const done = new Promise((resolve) => logger.once('finish', resolve))
  logger.end()
  await done
}
