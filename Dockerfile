# The image of all three targets. Needs BuildKit: `./inv build`, or DOCKER_BUILDKIT=1 docker build .
# What runs is assembled from nothing (containers/app/rootfs.py): the interpreter, its libraries, the hash-checked packages
# and the code. No package manager, no pip, no compiler, nothing setuid; docs/image.md says how and why.
#checkov:skip=CKV_DOCKER_7:the base is named by tag and digest; checkov does not evaluate the argument
ARG BASE_IMAGE=python:3.11-slim@sha256:90744cff8f32887f075c47d747a173ff333e9e98801667af93c357fa9f5e28ff

FROM ${BASE_IMAGE} AS dependencies
WORKDIR /build
COPY app/requirements.txt ./
# A proxy's certificates and a package index of one's own come as secrets: they reach this step, and no layer.
# Bytecode that is not checked against its source starts faster and is the same at every build.
RUN --mount=type=cache,target=/root/.cache/pip,sharing=locked \
    --mount=type=secret,id=ca,target=/etc/ssl/certs/ca-certificates.crt \
    --mount=type=secret,id=pip,target=/etc/pip.conf \
    python -m venv --without-pip /opt/venv \
 && python -m pip --python /opt/venv/bin/python --disable-pip-version-check install --root-user-action=ignore \
      --require-hashes --only-binary=:all: --no-compile --requirement requirements.txt \
 && rm /opt/venv/bin/[Aa]ctivate* \
 && python -m compileall -q -j 0 --invalidation-mode unchecked-hash /opt/venv/lib \
 && mkdir -p /packages/opt && mv /opt/venv /packages/opt/ \
 && find /packages -exec touch --no-dereference --date=@0 {} +

FROM dependencies AS system
COPY containers/app/rootfs.py ./
RUN python rootfs.py /rootfs /packages \
 && python -m compileall -q -j 0 --invalidation-mode unchecked-hash -s /rootfs /rootfs/usr \
 && find /rootfs -exec touch --no-dereference --date=@0 {} +

FROM ${BASE_IMAGE} AS code
COPY app/ /code/app/
RUN python -m compileall -q --invalidation-mode unchecked-hash -s /code /code/app \
 && chmod -R u=rwX,go=rX /code \
 && find /code -exec touch --no-dereference --date=@0 {} +

FROM scratch
# Whole trees with their own times, each copied to the root: the same input gives the same layers.
COPY --from=system /rootfs/ /
COPY --from=dependencies /packages/ /
COPY --from=code /code/ /
WORKDIR /app
ENV PATH=/opt/venv/bin:/usr/local/bin:/usr/bin:/bin \
    LANG=C.UTF-8 \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    HOME=/tmp \
    PORT=5000
USER 10001:10001
EXPOSE 5000
HEALTHCHECK --interval=10s --timeout=3s --start-period=15s --retries=3 \
    CMD ["python", "-I", "-S", "-c", "import http.client as h; c = h.HTTPConnection('127.0.0.1', 5000, timeout=2); c.request('GET', '/healthz'); raise SystemExit(c.getresponse().status != 200)"]
CMD ["gunicorn", "--bind", "0.0.0.0:5000", "--workers", "2", "app:app"]
# Last, so that a new version alone rebuilds nothing.
ARG APP_VERSION=0.0.0-dev
ARG GIT_COMMIT=unknown
ARG SOURCE_URL=""
ARG CREATED=1970-01-01T00:00:00Z
ENV APP_VERSION=${APP_VERSION} GIT_COMMIT=${GIT_COMMIT}
LABEL org.opencontainers.image.title="ecs-saas-app" \
      org.opencontainers.image.version="${APP_VERSION}" \
      org.opencontainers.image.revision="${GIT_COMMIT}" \
      org.opencontainers.image.source="${SOURCE_URL}" \
      org.opencontainers.image.created="${CREATED}"
