/** Whether a planted fault was noticed. */
export interface Verdict {
  /** Of the mutation. */
  readonly name: string
  readonly isCaught: boolean
  /** By what, or what saw nothing. */
  readonly how: string
}
