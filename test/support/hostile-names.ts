import { execFileSync } from 'node:child_process'
import { mkdirSync } from 'node:fs'
import path from 'node:path'
import sharp from 'sharp'

/** Names with terminal control characters, right-to-left marks, line ends or hidden characters, and rare but harmless ones. */
export const HOSTILE_CLASSES = [
  'cat\u001b[2J\u001b]0;owned\u0007',
  'dog\r\n✖ everything is lost',
  'bird\u202egnp.\u2066\u200f\u061c',
  '"<b>\'\\ кот 計算機 👩‍🚀\u009b31m\u2028\u200b\u{e0041}',
] as const

/** Characters that no line of text on a terminal may contain. */
export const UNSAFE = /[\p{Cc}\p{Zl}\p{Zp}\u061c\u200b\u200e\u200f\u202a-\u202e\u2060-\u2069\ufeff\u{e0000}-\u{e007f}]/u

/**
 * Writes PNG images of noise around a colour of their class, in one directory per class; file names are hostile too.
 * @param side height and width in pixels
 */
export async function writeHostileImages(directory: string, perClass: number, side: number): Promise<void> {
  for (const [label, name] of HOSTILE_CLASSES.entries()) {
    mkdirSync(path.join(directory, name), { recursive: true })
    for (let index = 0; index < perClass; index++) {
      const pixels = Buffer.from({ length: side * side * 3 } as ArrayLike<number>).map(
        (_, at) => ((at % 3 === label % 3 ? 150 : 40) + ((at * 7919 + index * 104729 + label * 31) % 90)) % 256,
      )
      const file = path.join(directory, name, `${index}\u001b[31m\u202e.png`)
      await sharp(pixels, { raw: { width: side, height: side, channels: 3 } }).toFile(file)
    }
  }
}

/** Packs a directory as a tar, like one from elsewhere with names of another user. */
export function tarOf(directory: string, archive: string): void {
  execFileSync('tar', ['-cf', archive, '-C', directory, '.'])
}
