#!/bin/sh
# Gives the container runtime the images that need no registry, each archive once.
# Usage: import-images.sh FOLDER_OF_ARCHIVES FOLDER_OF_MARKERS
set -eu
archives=$1 markers=$2
mkdir -p "$markers"
until ctr version >/dev/null 2>&1; do sleep 0.1; done
for archive in "$archives"/*.tar; do
  [ -e "$archive" ] || continue
  marker="$markers/imported-${archive##*/}"
  [ -e "$marker" ] && continue
  ctr --namespace k8s.io images import "$archive"
  # In the engine they are named delivery/NAME; here they get the names of the manifests.
  for image in $(ctr --namespace k8s.io images list --quiet | grep '^docker.io/delivery/'); do
    ctr --namespace k8s.io images tag --force "$image" "${image#docker.io/delivery/}"
  done
  touch "$marker"
done
