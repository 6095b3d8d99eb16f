# The images of locus. `storage`: Redis with the module and its sandbox hosts. `compute`: a node, its sandbox hosts, and the
# command line tools. `all-in-one`: both in one container. `scaler`, `simulator`: the scheduler as the 2023 contest runs
# it, and what plays to it there. `scheduler`: the same programs, to be reached from other containers, as the 2020 contest runs its
# scheduler. Node is the version that package.json pins. All want an init as process 1 (`docker run --init`) but the third, which brings one. Each
# says in /opt/locus/sbom.cdx.json what it is made of.
# What the 2023 contest's run.sh starts at the image's root. It needs netcat, and nothing that is compiled:
# it stands first, since not every builder leaves out the stages before.
FROM node:26.10.0-bookworm-slim AS scaler
RUN apt-get update \
 && apt-get install -y --no-install-recommends netcat-openbsd \
 && rm -rf /var/lib/apt/lists/*
WORKDIR /opt/locus
COPY package.json package-lock.json ./
RUN npm ci --omit=dev --omit=optional --ignore-scripts && npm cache clean --force
COPY runtime runtime
COPY scheduler scheduler
COPY deploy deploy
RUN npm sbom --package-lock-only --sbom-format=cyclonedx | node deploy/main-sbom.ts image > sbom.cdx.json \
 && cp deploy/scaler/* /
USER 1000:1000
WORKDIR /
EXPOSE 9001
CMD ["./run.sh"]

# Its image's root has a run.sh as well.
FROM scaler AS simulator
COPY deploy/simulator /

# The 2020 contest gives its scheduler variables of the contest's own and nothing else, and calls it from elsewhere.
FROM scaler AS scheduler
WORKDIR /opt/locus
ENV LOCUS_GRPC_HOST=0.0.0.0
EXPOSE 10600
CMD ["node", "scheduler/main-scheduler.ts"]

FROM node:26.10.0-bookworm-slim AS build
RUN apt-get update \
 && apt-get install -y --no-install-recommends g++ make libseccomp-dev libssl-dev nlohmann-json3-dev \
 && rm -rf /var/lib/apt/lists/*
WORKDIR /opt/locus
COPY package.json package-lock.json ./
RUN npm ci --omit=dev --ignore-scripts
COPY Makefile ./
COPY runtime runtime
COPY storage-module storage-module
COPY scheduler scheduler
RUN make --jobs="$(nproc)" NODE=node DEBUG= \
 && strip --strip-unneeded build/launcher build/*.node build/*.so \
 && rm -rf build/native build/module
RUN npm sbom --package-lock-only --sbom-format=cyclonedx > build/npm.cdx.json
# The second Node was here for its headers only.
RUN rm -rf node_modules/node-linux-* node_modules/.bin/node

FROM node:26.10.0-bookworm-slim AS storage
RUN apt-get update \
 && apt-get install -y --no-install-recommends libseccomp2 redis-server \
 && rm -rf /var/lib/apt/lists/* \
 && install --directory --owner=1000 --group=1000 /data
WORKDIR /opt/locus
COPY package.json package-lock.json ./
COPY deploy deploy
COPY runtime runtime
COPY --from=build /opt/locus/build build
RUN node deploy/main-sbom.ts image < build/npm.cdx.json > sbom.cdx.json
USER 1000:1000
VOLUME /data
EXPOSE 6379
# -e: an error reply, such as LOADING, is a failure.
HEALTHCHECK --interval=2s --timeout=3s --start-period=30s --retries=5 CMD ["redis-cli", "-e", "LOCUS.INFO"]
CMD ["redis-server", "deploy/redis.conf"]

FROM node:26.10.0-bookworm-slim AS compute
RUN apt-get update \
 && apt-get install -y --no-install-recommends libseccomp2 \
 && rm -rf /var/lib/apt/lists/*
WORKDIR /opt/locus
COPY package.json package-lock.json ./
COPY --from=build /opt/locus/node_modules node_modules
COPY --from=build /opt/locus/build build
COPY deploy deploy
COPY runtime runtime
COPY compute compute
COPY scheduler scheduler
COPY functions functions
RUN for tool in batch redisclient locus; do ln -s /opt/locus/compute/cli/launch "/usr/local/bin/$tool"; done \
 && node deploy/main-sbom.ts image < build/npm.cdx.json > sbom.cdx.json
USER 1000:1000
# Nodes run each other's calls: they know each other by a secret that Redis keeps.
ENV LOCUS_HTTP_HOST=0.0.0.0 LOCUS_GRPC_HOST=0.0.0.0
EXPOSE 8080 10700
HEALTHCHECK --interval=5s --timeout=3s --start-period=30s --retries=3 \
  CMD ["node", "-e", "fetch(`http://127.0.0.1:${process.env.LOCUS_HTTP_PORT ?? 8080}/readyz`).then(({ ok }) => process.exit(ok ? 0 : 1), () => process.exit(1))"]
CMD ["locus", "node"]

FROM node:26.10.0-bookworm-slim AS all-in-one
RUN apt-get update \
 && apt-get install -y --no-install-recommends libseccomp2 redis-server tini \
 && rm -rf /var/lib/apt/lists/* \
 && install --directory --owner=1000 --group=1000 /data
WORKDIR /opt/locus
COPY package.json package-lock.json ./
COPY --from=build /opt/locus/node_modules node_modules
COPY --from=build /opt/locus/build build
COPY deploy deploy
COPY runtime runtime
COPY compute compute
COPY scheduler scheduler
COPY functions functions
RUN for tool in batch redisclient locus; do ln -s /opt/locus/compute/cli/launch "/usr/local/bin/$tool"; done \
 && node deploy/main-sbom.ts image < build/npm.cdx.json > sbom.cdx.json
USER 1000:1000
VOLUME /data
ENV LOCUS_HTTP_HOST=0.0.0.0
EXPOSE 8080 6379
HEALTHCHECK --interval=5s --timeout=3s --start-period=30s --retries=3 \
  CMD ["node", "-e", "fetch(`http://127.0.0.1:${process.env.LOCUS_HTTP_PORT ?? 8080}/readyz`).then(({ ok }) => process.exit(ok ? 0 : 1), () => process.exit(1))"]
# It passes signals on to the program below, and reaps what that leaves.
ENTRYPOINT ["tini", "--"]
CMD ["node", "deploy/main-all-in-one.ts"]
