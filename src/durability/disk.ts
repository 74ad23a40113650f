import fs from 'node:fs'
import { open } from 'node:fs/promises'
import type { ReadingCalls } from '../shared/read-file.js'

/**
 * The system calls that keep a run on disk, named as in node:fs. The simulator has a disk of its own, which loses what was not synced. All
 * throw the system's error.
 */
export interface Disk extends ReadingCalls {
  readonly openSync: (file: string, flags: string | number) => number
  readonly writeSync: (descriptor: number, bytes: Uint8Array, offset: number, length: number) => number
  readonly fsyncSync: (descriptor: number) => void
  readonly existsSync: (name: string) => boolean
  readonly statSync: (
    file: string,
    options: { readonly throwIfNoEntry: false },
  ) => { readonly size: number } | undefined
  /** Room that is left. */
  readonly statfsSync: (directory: string) => { readonly bavail: number; readonly bsize: number }
  /** @returns undefined: it was there */
  readonly mkdirSync: (directory: string, options: { readonly recursive: boolean }) => string | undefined
  readonly readdirSync: (directory: string) => string[]
  readonly renameSync: (from: string, to: string) => void
  readonly rmSync: (name: string, options: { readonly recursive?: boolean; readonly force: boolean }) => void
  readonly open: (file: string, flags: string) => Promise<OpenFile>
}

/** A file that is written while a step waits. */
export interface OpenFile {
  /** @param position where the bytes go */
  readonly writev: (pieces: readonly Uint8Array[], position: number) => Promise<{ readonly bytesWritten: number }>
  readonly truncate: (length: number) => Promise<void>
  /** Settles when content and length are on the disk. */
  readonly datasync: () => Promise<void>
  readonly close: () => Promise<void>
}

/** The machine's. */
export const realDisk: Disk = { ...fs, open }
