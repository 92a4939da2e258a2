#!/usr/bin/env bash
# Builds the image of this machine's platform from what build-static.sh has built in the folder $1, and starts it.
set -euo pipefail
built=$(realpath "$1")
cd "$(dirname "$0")"

command -v buildah >/dev/null || {
  echo "buildah is needed: apt-get install buildah" >&2
  exit 1
}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
store=(--root "$work/store" --runroot "$work/run" --storage-driver vfs)
arch=$(dpkg --print-architecture)
mkdir -p "$work/context/$arch"
cp "$built/kube-https-exporter" ../../LICENSE "$work/context/$arch"
buildah "${store[@]}" build --isolation chroot --build-arg "TARGETARCH=$arch" --file Containerfile.release \
  --tag kube-https-exporter "$work/context"
container=$(buildah "${store[@]}" from kube-https-exporter)
run() { buildah "${store[@]}" run --isolation chroot "$container" -- /usr/bin/kube-https-exporter "$@"; }
run --version
# In an image without files the bundled roots are found; nothing listens there, which ends it with 3.
{ run check --log.level=info 127.0.0.1:1 2>&1 || [ $? = 3 ]; } | grep 'using the bundled ones'
buildah "${store[@]}" push kube-https-exporter "oci-archive:$built/image.tar"
echo "The image is $built/image.tar."
