#!/usr/bin/env bash
# Builds the static program of the last commit twice, in two folders, and fails where they differ by a byte.
set -euo pipefail
cd "$(dirname "$0")/.."

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
for copy in one another/folder; do
  echo "Building in $work/$copy"
  git clone --quiet . "$work/$copy"
  "$work/$copy/packaging/build-static.sh" "$work/$copy/out" >"$work/log" 2>&1 || { cat "$work/log"; exit 1; }
  rm -rf "$work/$copy/target"
done
sha256sum "$work"/one/out/kube-https-exporter "$work"/another/folder/out/kube-https-exporter
cmp "$work"/one/out/kube-https-exporter "$work"/another/folder/out/kube-https-exporter
echo "Both are the same, byte for byte."
