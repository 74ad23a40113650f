/** Whether a planted fault was caught. */
export interface Verdict {
  /** Name of the mutation. */
  readonly name: string
  readonly isCaught: boolean
  /** The failed test, or the tests that passed. */
  readonly how: string
}
