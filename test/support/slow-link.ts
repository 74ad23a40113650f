import { BOTH, FaultProxy } from '../../src/bench/link/fault-proxy.js'

const DELAY_MS = 50
const links: FaultProxy[] = []

/** An address that leads to a coordinator with a delay each way: a run that a test only watches leaves the cores to other tests. */
export async function slowLink(address: string): Promise<string> {
  const link = await FaultProxy.start(address)
  link.set(BOTH, { delayMs: DELAY_MS })
  links.push(link)
  return link.address
}

/** For `after`: open links would keep the test process alive. */
export function closeSlowLinks(): void {
  for (const link of links) link.close()
}
