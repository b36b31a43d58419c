# docker build --tag bidora .
# docker run --rm --init --volume bidora:/cache --volume "$PWD:/work" --user "$(id -u):$(id -g)" bidora quickstart
#
# libtorch needs glibc 2.38 and GLIBCXX_3.4.32: Debian 13 has them, Debian 12 does not.
FROM node:22-trixie-slim

# The version on npm. If the build context has tarballs in packed/ (npm run package -- --output packed), these are installed instead.
ARG VERSION=latest

WORKDIR /opt/bidora
RUN --mount=type=bind,target=/context \
    cpu=$(node -p process.arch); \
    packed=$(find /context -path "*/packed/bidora-[0-9]*.tgz" -o -path "*/packed/bidora-linux-$cpu-gnu-*.tgz"); \
    npm install --ignore-scripts --no-audit --no-fund ${packed:-bidora@$VERSION} && \
    rm -rf /root/.npm /tmp/* && mkdir -m 1777 /cache /work
ENV PATH=/opt/bidora/node_modules/.bin:$PATH

# Models from the Hub and bidora's own files, for any user.
ENV XDG_CACHE_HOME=/cache
VOLUME /cache
USER node
WORKDIR /work
ENTRYPOINT ["bidora"]
CMD ["--help"]
