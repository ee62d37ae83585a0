# The image of all three targets. Needs BuildKit: `./inv build`, or DOCKER_BUILDKIT=1 docker build .
# Packages are installed where pip is, and run on a base that holds Python 3.11, its libraries and nothing else: no shell,
# no package manager, nothing setuid. Both bases are of Debian 12; docs/image.md has the reasons.
# ./inv format writes what project.yaml says: the lines with WRITABLE, PORT, EXPOSE, VOLUME and CMD.
#checkov:skip=CKV_DOCKER_7:the bases are named by tag and digest; checkov does not evaluate the arguments
ARG BUILD_IMAGE=docker.io/library/python:3.11-slim-bookworm@sha256:0bee7276f83efd4a1ee05bbbf4281d95ed28e079220a9457f25a93e3f1e3c31b
ARG RUNTIME_IMAGE=gcr.io/distroless/python3-debian12:nonroot@sha256:7d1042ce588ab97019fe95c24ffca7bc5a82ccdac572511d5e09bda4435c89c5

FROM ${RUNTIME_IMAGE} AS runtime

FROM ${BUILD_IMAGE} AS build
ARG WRITABLE="/data"
WORKDIR /build
# The base has Python's library without bytecode: each start and each health check would compile it anew.
COPY --from=runtime /usr/lib/python3.11/ /base/usr/lib/python3.11/
RUN python -m compileall -q -j 0 --invalidation-mode unchecked-hash -s /base /base \
 && find /base ! -type d ! -name '*.pyc' -delete \
 && find /base -type d -empty -delete \
 && find /base -exec touch --no-dereference --date=@0 {} +
COPY app/requirements.txt ./
# A proxy's certificates and a package index of one's own come as secrets: they reach this step, and no layer.
# Bytecode that is not checked against its source starts faster and is the same at every build.
# The environment's interpreter is that of the last stage: /usr/bin/python3, of the same minor version.
RUN --mount=type=cache,target=/root/.cache/pip,sharing=locked \
    --mount=type=secret,id=ca,target=/etc/ssl/certs/ca-certificates.crt \
    --mount=type=secret,id=pip,target=/etc/pip.conf \
    python -m venv --without-pip /opt/venv \
 && python -m pip --python /opt/venv/bin/python --disable-pip-version-check install --root-user-action=ignore \
      --require-hashes --only-binary=:all: --no-compile --requirement requirements.txt \
 && python -m compileall -q -j 0 --invalidation-mode unchecked-hash /opt/venv/lib \
 && rm /opt/venv/bin/[Aa]ctivate* \
 && ln -sf /usr/bin/python3 /opt/venv/bin/python \
 && printf 'home = /usr/bin\ninclude-system-site-packages = false\n' >/opt/venv/pyvenv.cfg \
 && mkdir -p /packages/opt && mv /opt/venv /packages/opt/ \
 && find /packages -exec touch --no-dereference --date=@0 {} +
# The code, and the folders that it writes to: /data for the database of one replica without a server.
COPY server/*.py /code/opt/delivery/
COPY app/ /code/app/
# Tests may have files that are no Python of this version; ./inv adopt looks at all others.
RUN python -m compileall -q --invalidation-mode unchecked-hash -x '/tests?/' -s /code /code/app \
 && chmod -R u=rwX,go=rX /code \
 && for folder in ${WRITABLE}; do install -d -o 10001 -g 10001 "/code${folder}"; done \
 && find /code -exec touch --no-dereference --date=@0 {} +

FROM ${RUNTIME_IMAGE}
# Whole trees with their own times, each copied to the root: the same input gives the same layers.
COPY --from=build /base/ /
COPY --from=build /packages/ /
COPY --from=build /code/ /
# Fargate copies owner and mode of a declared path alone into a task's volume; any other volume is root's, with mode 0755.
VOLUME ["/tmp", "/data"]
WORKDIR /app
ENV PATH=/opt/venv/bin:/usr/bin:/bin \
    LANG=C.UTF-8 \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    HOME=/tmp
ENV PORT=5000 LIVE_PATH="/healthz" PYTHONPATH="/app" DATABASE_VARIABLES="" SIGNING_KEY_VARIABLE="SECRET_KEY"
EXPOSE 5000
USER 10001:10001
HEALTHCHECK --interval=10s --timeout=3s --start-period=15s --retries=3 \
    CMD ["python", "-I", "-S", "-c", "import http.client as h, os; c = h.HTTPConnection('127.0.0.1', int(os.environ['PORT']), timeout=2); c.request('GET', os.environ['LIVE_PATH']); raise SystemExit(c.getresponse().status >= 400)"]
ENTRYPOINT ["/usr/bin/python3", "-I", "-S", "/opt/delivery/start.py"]
CMD ["gunicorn", "--bind", "0.0.0.0:5000", "--workers", "2", "app:app"]
# Last, so that a new version alone rebuilds nothing.
ARG TITLE=app
ARG APP_VERSION=0.0.0-dev
ARG GIT_COMMIT=unknown
ARG SOURCE_URL=""
ARG CREATED=1970-01-01T00:00:00Z
ENV APP_VERSION=${APP_VERSION} GIT_COMMIT=${GIT_COMMIT}
LABEL org.opencontainers.image.title="${TITLE}" \
      org.opencontainers.image.version="${APP_VERSION}" \
      org.opencontainers.image.revision="${GIT_COMMIT}" \
      org.opencontainers.image.source="${SOURCE_URL}" \
      org.opencontainers.image.created="${CREATED}"
