# The Dockerfile of the original design, the yardstick of `./inv bench image`. Added: the base as an argument, and the
# secrets without which pip reaches no index behind a proxy; neither changes what is in the image.
# hadolint ignore=DL3006
ARG BASE_IMAGE=python:3.11-slim
FROM ${BASE_IMAGE}
WORKDIR /app
COPY app/requirements.txt .
RUN --mount=type=secret,id=ca,target=/etc/ssl/certs/ca-certificates.crt \
    --mount=type=secret,id=pip,target=/etc/pip.conf \
    pip install --no-cache-dir -r requirements.txt
COPY app/ .
EXPOSE 5000
ENV PYTHONUNBUFFERED=1
ENV PORT=5000
CMD ["gunicorn", "--bind", "0.0.0.0:5000", "--workers", "2", "app:app"]
