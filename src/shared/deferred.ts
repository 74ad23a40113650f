/** A promise that is settled from outside. Nobody has to wait for it. */
export class Deferred<Value> {
  readonly promise: Promise<Value>
  resolve: (value: Value) => void = () => undefined
  reject: (error: Error) => void = () => undefined

  constructor() {
    this.promise = new Promise((resolve, reject) => {
      this.resolve = resolve
      this.reject = reject
    })
    // Whoever waits gets the rejection. Without anyone it must not end the process.
    this.promise.catch(() => undefined)
  }
}
