#!/usr/bin/env bash
# Packages what build-static.sh has built in the folder $1, by cargo-deb $2 and cargo-cyclonedx $3, and checks it.
set -euo pipefail
built=$(realpath "$1")
cd "$(dirname "$0")/.."

sudo=; [ "$(id -u)" = 0 ] || sudo=sudo
command -v lintian >/dev/null || {
  echo "Installing lintian"
  $sudo apt-get -qq update
  $sudo env DEBIAN_FRONTEND=noninteractive apt-get -qq install --yes --no-install-recommends lintian </dev/null
}
for tool in "cargo-deb@$2" "cargo-cyclonedx@$3"; do
  version=${tool#*@} name=${tool%@*}
  [ "$(cargo "${name#cargo-}" --version 2>/dev/null | tr ' ' '\n' | grep -Fx "$version")" ] && continue
  echo "Building $tool: some 2 minutes, once"
  CARGO_PROFILE_DEV_DEBUG=0 cargo install --quiet --locked --debug --force "$tool"
done

bytes=$(stat --format %s "$built/kube-https-exporter")
echo "The static program has $((bytes >> 10)) KiB."
rm -f "$built"/*.deb
cargo deb --locked --no-build --no-strip --output "$built"
lintian --fail-on error,warning --allow-root "$built"/*.deb
cargo cyclonedx --quiet --format json --override-filename sbom
mv sbom.json "$built/sbom.cdx.json"
ls -l "$built"
