# Convoy in a container: every command, ready to work without a network. docs/guides/containers.md
#
#     docker build -t convoy:cpu .
#     docker build -t convoy:gpu --build-arg RUNTIME=gpu .
#     docker run --rm -p 127.0.0.1:7702:7702 convoy:cpu      # try it; the page is at http://127.0.0.1:7702
#
# CUDA comes from PyPI like TensorFlow, pinned with it, so both variants stand on the same base: an nvidia/cuda image would bring a
# second CUDA of another version. The driver's libraries are put in by the NVIDIA Container Toolkit when a container starts.

FROM node:22-bookworm-slim AS packages
WORKDIR /opt/convoy
COPY package.json package-lock.json .npmrc ./
RUN --mount=type=cache,target=/root/.npm npm ci --omit=dev

FROM packages AS build
COPY tsconfig.base.json ./
COPY src src
RUN node_modules/.bin/tsc --build src src/reporting/page/browser \
  && find dist -type f '(' -name '*.ts' -o -name '*.map' -o -name '*.tsbuildinfo' ')' -delete

# What runs of the packages: no compiler, and none of the two thirds that are source maps and types.
FROM packages AS modules
RUN rm -r node_modules/.bin node_modules/typescript node_modules/@types node_modules/node-api-headers \
  && find node_modules -type f '(' -name '*.map' -o -name '*.ts' -o -name '*.md' ')' -delete

# The two stages below copy no more of Convoy than their command needs, so a change elsewhere leaves their large layers as they are.
FROM packages AS runtime
# Debian keeps one version of a package, so a pinned one would not be found any more after its next update.
# hadolint ignore=DL3008
RUN apt-get update \
  && apt-get install -y --no-install-recommends g++ python3 python3-pip tini \
  && rm -rf /var/lib/apt/lists/*
ENV CONVOY_CACHE=/var/cache/convoy
COPY bin bin
COPY scripts/setup.mjs scripts/
COPY --from=build /opt/convoy/dist/src/cli/main.js dist/src/cli/
COPY --from=build /opt/convoy/dist/src/cli/commands/runtime.js dist/src/cli/commands/
COPY --from=build /opt/convoy/dist/src/tensorflow/runtime dist/src/tensorflow/runtime
COPY --from=build /opt/convoy/dist/src/shared dist/src/shared
COPY native native
ARG RUNTIME=cpu
# Readable to the image's user: an installation is its owner's alone.
RUN --mount=type=cache,target=/root/.cache/pip node bin/convoy.mjs runtime install --$RUNTIME \
  && chmod -R a+rX "$CONVOY_CACHE"

FROM packages AS dataset
ENV CONVOY_CACHE=/var/cache/convoy
COPY datasets datasets
COPY bin bin
COPY scripts/setup.mjs scripts/
COPY --from=build /opt/convoy/dist/src/cli/main.js dist/src/cli/
COPY --from=build /opt/convoy/dist/src/cli/commands/data.js dist/src/cli/commands/
COPY --from=build /opt/convoy/dist/src/data dist/src/data
COPY --from=build /opt/convoy/dist/src/shared dist/src/shared
RUN node bin/convoy.mjs data info

# Debian with node alone: no npm, no Python, no compiler.
FROM debian:bookworm-slim
LABEL org.opencontainers.image.title="Convoy" \
  org.opencontainers.image.description="Distributed data-parallel training for TensorFlow.js on Node" \
  org.opencontainers.image.licenses="Apache-2.0"
RUN useradd --uid 1000 --create-home --home-dir /var/lib/convoy convoy \
  && install -d -o convoy -g convoy /var/lib/convoy/runs \
  && ln -s /opt/convoy/bin/convoy.mjs /usr/local/bin/convoy
COPY --from=packages /usr/local/bin/node /usr/local/bin/
COPY --from=runtime /usr/bin/tini-static /usr/local/bin/tini
COPY --from=runtime /var/cache/convoy /var/cache/convoy
# With its owner: what users import, and what workers fetch, goes there too.
COPY --from=dataset --chown=1000:1000 /var/cache/convoy/datasets /var/cache/convoy/datasets
WORKDIR /opt/convoy
COPY --from=modules /opt/convoy/node_modules node_modules
COPY LICENSE package.json ./
COPY bin bin
COPY datasets datasets
COPY native native
COPY proto proto
COPY scripts/setup.mjs scripts/
COPY src/reporting/page/browser/page.html src/reporting/page/browser/page.css src/reporting/page/browser/
COPY --from=build /opt/convoy/dist/src dist/src

ENV CONVOY_CACHE=/var/cache/convoy
# What the NVIDIA Container Toolkit shall put in: CUDA's part of the driver, and nvidia-smi, by which workers find their GPU.
ENV NVIDIA_DRIVER_CAPABILITIES=compute,utility
USER 1000:1000
WORKDIR /var/lib/convoy
EXPOSE 7700 7702
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s \
  CMD ["node", "-e", "fetch('http://127.0.0.1:7702/livez').then(({ ok }) => process.exit(ok ? 0 : 1))"]
ENTRYPOINT ["tini", "--", "convoy"]
CMD ["train", "--recipe", "quick", "--metrics-listen", "0.0.0.0:7702"]
