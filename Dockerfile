# One image for all of Tocsin's processes: the command says which (`api`, `worker`, `migrate`, …).
#
# BASE_IMAGE is any Debian with Python 3.11 or newer and its venv module. Where packages come from
# an index of your own, give its pip.conf as the secret `pip.conf`, and as the secret `ca` what
# signed its certificate; neither stays in a layer.
ARG BASE_IMAGE=python:3.13-slim-trixie

FROM ${BASE_IMAGE} AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ONLY_BINARY=:all: PIP_REQUIRE_HASHES=1
WORKDIR /src
# Two environments: what builds is not in the image, and neither is pip.
RUN python3 -m venv /build && python3 -m venv --without-pip /opt/tocsin
COPY locks locks
RUN --mount=type=secret,id=pip.conf,target=/etc/pip.conf --mount=type=secret,id=ca \
    /build/bin/pip install --quiet -r locks/build.txt \
    && /build/bin/pip --python /opt/tocsin/bin/python install --quiet -r locks/image.txt
COPY . .
RUN export PIP_REQUIRE_HASHES=0 \
    && /build/bin/pip wheel --quiet --no-deps --no-build-isolation --wheel-dir /dist . \
    && /build/bin/pip --python /opt/tocsin/bin/python install --quiet --no-deps /dist/*.whl

FROM build AS build-loadtest
RUN --mount=type=secret,id=pip.conf,target=/etc/pip.conf --mount=type=secret,id=ca \
    /build/bin/pip --python /opt/tocsin/bin/python install --quiet -r locks/loadtest.txt

# Simulated clients: --target loadtest.
FROM ${BASE_IMAGE} AS loadtest
COPY --from=build-loadtest /opt/tocsin /opt/tocsin
COPY loadtests /srv/loadtests
ENV PATH=/opt/tocsin/bin:$PATH PYTHONDONTWRITEBYTECODE=1
WORKDIR /srv
USER 10001:10001
ENTRYPOINT ["python", "-m", "locust", "-f", "loadtests/locust/locustfile.py"]

FROM ${BASE_IMAGE} AS tocsin
# A name for the number, which libraries may look up; no tool for it is needed in the base.
RUN echo 'tocsin:x:10001:10001::/nonexistent:/usr/sbin/nologin' >> /etc/passwd \
    && echo 'tocsin:x:10001:' >> /etc/group
COPY --from=build /opt/tocsin /opt/tocsin
# Bytecode is compiled already, and the root file system may be read-only: nothing writes to it.
ENV PATH=/opt/tocsin/bin:$PATH PYTHONDONTWRITEBYTECODE=1 TOCSIN_HOST=0.0.0.0
WORKDIR /
USER 10001:10001
EXPOSE 8000 9000
STOPSIGNAL SIGTERM
# No HEALTHCHECK: what is healthy differs by process. Ask the API for /health/live and
# /health/ready, the others for /live and /ready on TOCSIN_METRICS_PORT.
ENTRYPOINT ["tocsin"]
CMD ["--help"]
ARG VERSION=0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="Tocsin" \
    org.opencontainers.image.description="A scheduler: rings other services on time" \
    org.opencontainers.image.licenses="Apache-2.0" \
    org.opencontainers.image.version="${VERSION}" \
    org.opencontainers.image.revision="${REVISION}"
