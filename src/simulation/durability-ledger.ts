/**
 * Records what a run says is on disk, independently of the code that writes it: a coordinator that starts after a kill, or after a power cut,
 * must get to that step again.
 */
export class DurabilityLedger {
  /** Whether each step is on the disk when it is announced. */
  readonly #isSynced: boolean
  /** Steps that a start after a kill must get to. */
  #afterKill = 0
  /** Steps that a start after a power cut must get to. */
  #afterPowerCut = 0
  #journaledStep = 0

  /** @param isSynced `--journal sync` */
  constructor(isSynced: boolean) {
    this.#isSynced = isSynced
  }

  /** A checkpoint was announced. */
  checkpointed(step: number): void {
    this.#afterKill = Math.max(this.#afterKill, step)
    this.#afterPowerCut = Math.max(this.#afterPowerCut, step)
  }

  /** A step was announced as journaled. */
  journaled(step: number): void {
    this.#journaledStep = step
    this.#afterKill = Math.max(this.#afterKill, step)
    if (this.#isSynced) this.#afterPowerCut = Math.max(this.#afterPowerCut, step)
  }

  /** The newest step that was announced as journaled. */
  get journaledStep(): number {
    return this.#journaledStep
  }

  powerCut(): void {
    this.#afterKill = this.#afterPowerCut
  }

  /** The disk did not give a coordinator what it has, and that coordinator may have removed it. */
  excuse(): void {
    this.#afterKill = 0
    this.#afterPowerCut = 0
  }

  /**
   * A coordinator starts with this step.
   * @param couldRead whether the disk gave it everything; otherwise it goes on from an earlier checkpoint, or from fewer steps of the journal
   * @returns what is lost
   */
  started(step: number, couldRead: boolean): string | undefined {
    const lost =
      couldRead && step < this.#afterKill
        ? `the run goes on after step ${step}; step ${this.#afterKill} was said to be on disk`
        : undefined
    this.#afterKill = Math.min(this.#afterKill, step)
    this.#afterPowerCut = Math.min(this.#afterPowerCut, step)
    return lost
  }
}
