import { execFileSync } from 'node:child_process'
import { copyFileSync, cpSync, existsSync, rmSync, symlinkSync } from 'node:fs'
import path from 'node:path'
import type { Buildah } from './buildah.js'

const DEBIAN = 'debian:bookworm-slim'
const NODE = { image: 'node:22-bookworm-slim', version: '22.23.3', npm: '10.9.9' }
/** Certificates of this machine, because its network may use an authority of its own towards the registries. */
const AUTHORITIES = '/etc/ssl/certs/ca-certificates.crt'
const AUTHORITIES_INSIDE = '/etc/build-authorities.crt'

/**
 * Builds the Dockerfile's base images under their names from Debian's mirror and npm, for machines without access to a registry of
 * images: debootstrap's smallest Debian, Node's official binary (npm's package node-linux-*), npm, and the user `node`.
 */
export function makeStandInBases(buildah: Buildah, scratch: string): void {
  const debian = path.join(scratch, 'debian')
  rmSync(debian, { recursive: true, force: true })
  execFileSync('debootstrap', ['--variant=minbase', 'bookworm', debian], { stdio: 'ignore' })
  const empty = buildah('from', 'scratch')
  buildah('add', '--quiet', empty, debian, '/')
  commit(buildah, empty, DEBIAN)

  const packages = path.join(scratch, 'packages')
  const carrier = `node-linux-${process.arch}`
  const wanted = [`${carrier}@${NODE.version}`, `npm@${NODE.npm}`]
  const flags = ['--ignore-scripts', '--no-save', '--engine-strict=false', '--prefix', packages]
  execFileSync('npm', ['install', ...flags, ...wanted], { stdio: 'ignore' })
  const container = buildah('from', '--pull=never', DEBIAN)
  const tree = buildah('mount', container)
  const local = path.join(tree, 'usr', 'local')
  copyFileSync(path.join(packages, 'node_modules', carrier, 'bin', 'node'), path.join(local, 'bin', 'node'))
  cpSync(path.join(packages, 'node_modules', 'npm'), path.join(local, 'lib', 'node_modules', 'npm'), {
    recursive: true,
  })
  symlinkSync('../lib/node_modules/npm/bin/npm-cli.js', path.join(local, 'bin', 'npm'))
  execFileSync('chroot', [tree, 'useradd', '--uid', '1000', '--create-home', 'node'])
  if (existsSync(AUTHORITIES)) {
    copyFileSync(AUTHORITIES, path.join(tree, AUTHORITIES_INSIDE))
    for (const name of ['NODE_EXTRA_CA_CERTS', 'PIP_CERT'])
      buildah('config', '--env', `${name}=${AUTHORITIES_INSIDE}`, container)
  }
  commit(buildah, container, NODE.image)
}

function commit(buildah: Buildah, container: string, image: string): void {
  buildah('commit', '--quiet', container, image)
  buildah('rm', container)
}
