#!/usr/bin/env bash
# Tests the chart with the tools that `make tools` installs, all of them on the PATH. $SCHEMAS: what tests/tools/schemas.py wrote.
# - By Helm 3 and Helm 4 alike, every file of ci/ renders objects that Kubernetes' schemas admit, and alerts that promtool does;
#   every file of ci/invalid/ is refused with the text of its `# error:` line, to the letter (or as far as its `…`).
# - The suites of tests/ hold, and README.md is what helm-docs makes of values.yaml.
# - The alerts as the chart renders them pass their unit tests and have a runbook each, which has an alert.
set -euo pipefail
cd "$(dirname "$0")"
chart=kube-https-exporter
tmp=$(mktemp -d); trap 'rm -rf "$tmp"' EXIT
failed=0
complain() { echo "$1" >&2; failed=1; }
render() { "$1" template test $chart --namespace kube-https-exporter "${@:2}"; }
# Each rendered PrometheusRule's spec, which is a rule file.
rules() { sed -n '/^kind: PrometheusRule/,/^---/p' "$1" | sed '1,/^spec:/d; /^---/d; s/^  //'; }

for helm in helm helm4; do
  $helm lint --strict --quiet $chart
  for values in $chart/ci/*-values.yaml; do
    render $helm --values "$values" >"$tmp/$helm-${values##*/}" 2>"$tmp/err" || complain "$values: $helm: $(cat "$tmp/err")"
    diff -B "$tmp/helm-${values##*/}" "$tmp/$helm-${values##*/}" || complain "$values: Helm 3 and Helm 4 render it differently"
  done
  for values in $chart/ci/invalid/*.yaml; do
    if render $helm --values "$values" >/dev/null 2>"$tmp/err"; then complain "$values: was accepted"; fi
    expected=$(sed -n 's/^# error: //p' "$values")
    said=$(sed -n 's/^Error: execution error at ([^)]*): //p; s/^- //p' "$tmp/err")
    [[ $expected == *… ]] && said=${said:0:${#expected}-1}…
    [ "$said" = "$expected" ] || complain "$values: $helm says: $(cat "$tmp/err")"
  done
done

for values in $chart/ci/*-values.yaml; do
  rendered=$tmp/helm-${values##*/}
  kubeconform -strict -schema-location "$SCHEMAS/{{.ResourceKind}}-{{.Group}}-{{.ResourceAPIVersion}}.json" "$rendered" >"$tmp/err" ||
    complain "$values: $(cat "$tmp/err")"
  rules "$rendered" >"$tmp/rules.yaml"
  if [ -s "$tmp/rules.yaml" ]; then
    promtool check rules --lint=all --lint-fatal "$tmp/rules.yaml" >"$tmp/err" 2>&1 || complain "$values: $(cat "$tmp/err")"
  fi
done

helm-unittest --strict $chart >"$tmp/err" 2>&1 || complain "$(cat "$tmp/err")"

./document.sh --dry-run | diff -u $chart/README.md - || complain "the chart's README.md is out of date: run make gen and commit the result"

if grep '^| `.*|  |$' $chart/README.md; then complain "the comments of these values do not begin with '# -- '"; fi

# In the place where the unit tests look for the rule files; the chart has the rules of all of them in one.
mkdir "$tmp/alerts"
cp -r ../alerts/tests "$tmp/alerts/tests"
for file in ../alerts/*.yaml; do echo 'groups: []' >"$tmp/alerts/${file##*/}"; done
render helm --set prometheusRule.enabled=true >"$tmp/out"
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
