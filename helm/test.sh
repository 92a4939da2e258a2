#!/usr/bin/env bash
# Tests the chart with helm and promtool (both on the PATH): every file of ci/ renders what its `# expect:` lines say and nothing
# of its `# refuse:` lines, every file of ci/invalid/ fails with the text of its `# error:` lines, and the alerts as the chart
# renders them pass their unit tests and have a runbook each, which has an alert.
set -euo pipefail
cd "$(dirname "$0")"
chart=kube-https-exporter
tmp=$(mktemp -d); trap 'rm -rf "$tmp"' EXIT
failed=0
complain() { echo "$1" >&2; failed=1; }
render() { helm template test $chart --namespace kube-https-exporter "$@"; }
# What the comment lines of a file with this word say.
said() { sed -n "s/^# $1: //p" "$2"; }
# Each rendered PrometheusRule's spec, which is a rule file.
rules() { sed -n '/^kind: PrometheusRule/,/^---/p' "$1" | sed '1,/^spec:/d; /^---/d; s/^  //'; }

helm lint --strict --quiet $chart

for values in $chart/ci/*-values.yaml; do
  render --values "$values" >"$tmp/out" 2>"$tmp/err" || { complain "$values does not render: $(cat "$tmp/err")"; continue; }
  while IFS= read -r text; do
    grep -qF -- "$text" "$tmp/out" || complain "$values: not rendered: $text"
  done < <(said expect "$values")
  while IFS= read -r text; do
    if grep -F -- "$text" "$tmp/out"; then complain "$values: rendered: $text"; fi
  done < <(said refuse "$values")
  rules "$tmp/out" >"$tmp/rules.yaml"
  if [ -s "$tmp/rules.yaml" ]; then
    promtool check rules --lint=all --lint-fatal "$tmp/rules.yaml" >"$tmp/err" 2>&1 || complain "$values: $(cat "$tmp/err")"
  fi
done

for values in $chart/ci/invalid/*.yaml; do
  if render --values "$values" >/dev/null 2>"$tmp/err"; then complain "$values: was accepted"; fi
  while IFS= read -r text; do
    grep -qF -- "$text" "$tmp/err" || complain "$values: no such error: $text, but: $(cat "$tmp/err")"
  done < <(said error "$values")
done

# In the place where the unit tests look for the rule file.
mkdir "$tmp/alerts"
cp -r ../alerts/tests "$tmp/alerts/tests"
cp ../alerts/*.recording.rules.yaml "$tmp/alerts/"
render --set prometheusRule.enabled=true >"$tmp/out"
rules "$tmp/out" >"$tmp/alerts/kube-https-exporter.rules.yaml"
promtool test rules "$tmp"/alerts/tests/*.yaml >"$tmp/err" 2>&1 || complain "the rendered alerts: $(cat "$tmp/err")"
for alert in $(sed -n 's/.* alert: //p' "$tmp/out"); do
  grep -q "runbook_url: .*/$alert.md$" "$tmp/out" || complain "$alert does not link to its runbook"
  [ -f "../docs/runbooks/$alert.md" ] || complain "$alert has no runbook"
done
# Those of findings begin with a small letter, and are compared by a test of the judge.
for page in ../docs/runbooks/[[:upper:]]*.md; do
  grep -q " alert: $(basename "$page" .md)$" "$tmp/out" || complain "$page is of no alert"
done

[ $failed = 0 ] && echo "The chart renders what it should with $(ls $chart/ci/*.yaml | wc -l) files of values, and refuses $(ls $chart/ci/invalid | wc -l)."
