#!/usr/bin/env bash
# Builds the program that packages and images ship, static, into the folder $1, with its man pages and completions beside it.
# Two builds of one commit by one toolchain are the same, byte for byte, wherever the folder of the source is.
set -euo pipefail
out=$(realpath --canonicalize-missing "$1")
cd "$(dirname "$0")/.."

target=$(rustc -vV | sed -n 's/^host: //p')
registry=${CARGO_HOME:-$HOME/.cargo}
# A target that is named keeps build scripts and macros, which are loaded, from being static.
export RUSTFLAGS="-C target-feature=+crt-static --remap-path-prefix=$PWD=/source --remap-path-prefix=$registry=/cargo"
export CFLAGS="-ffile-prefix-map=$PWD=/source -ffile-prefix-map=$registry=/cargo"
SOURCE_DATE_EPOCH=$(git log -1 --format=%ct 2>/dev/null || echo 0)
export SOURCE_DATE_EPOCH

cargo build --locked --profile dist --target "$target"
program=target/$target/dist/kube-https-exporter
if readelf --dynamic "$program" | grep NEEDED; then
  echo "$program is not static" >&2
  exit 1
fi
install -D "$program" "$out/kube-https-exporter"
"$program" gen --manual "$out"
# Debian's own form of a changelog, which lintian asks for.
cat >"$out/changelog" <<END
kube-https-exporter ($("$program" --version | cut -d ' ' -f 2)-1) unstable; urgency=medium

  * The project's changelog, beside this one, has what changed.

 -- kube-https-exporter maintainers <maintainers@kube-https-exporter.dev>  $(date --utc --rfc-email --date="@$SOURCE_DATE_EPOCH")
END
