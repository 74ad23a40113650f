import { Option } from 'commander'
import { DEVICE_CHOICES } from '../../tensorflow/runtime/device-choice.js'

/** `--device`, with CONVOY_DEVICE for scripts that start many processes. */
export function deviceOption(): Option {
  return new Option('--device <device>', 'auto (GPU if present), cpu, or gpu (fail without one)')
    .choices(DEVICE_CHOICES)
    .default('auto')
    .env('CONVOY_DEVICE')
}
