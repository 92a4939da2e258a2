# Every command of this project, for people and for CI alike (.ci/run calls `make test` and `make fuzz`).

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.NOTPARALLEL:
.ONESHELL:

# Where the real programs of the tests are installed. Tests find them on the PATH.
TOOLS_DIR ?= $(CURDIR)/target/tools
BIN := $(abspath $(TOOLS_DIR))/bin
VENV := $(abspath $(TOOLS_DIR))/venv
CRDS := $(abspath $(TOOLS_DIR))/crds
CORPORA := $(abspath $(TOOLS_DIR))/corpora
export SCHEMAS := $(abspath $(TOOLS_DIR))/schemas
export TOOLS_BIN := $(BIN)
export PATH := $(BIN):$(VENV)/bin:$(PATH):/usr/sbin

CARGO_DENY := 0.20.2
CARGO_FUZZ := 0.13.2

# In the order of how soon each tells of a mistake.
STEPS := tools fmt-check deny clippy doc unit dashboards rules chart peers integration

.PHONY: help
help: ## Print the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: test
test: ## Install what is needed, then run everything that CI runs but `make fuzz`
	@times=
	for step in $(STEPS); do
	  printf '\n==> %s\n' "$$step"
	  start=$$SECONDS
	  $(MAKE) --no-print-directory "$$step"
	  times+=$$(printf '\n  %-12s %4d s' "$$step" $$((SECONDS - start)))
	done
	printf '\nAll passed, in %s s:%s\n' "$$SECONDS" "$$times"

# ---- What the tests need

# command:Debian package that has it
PROGRAMS := cc:build-essential openssl:openssl nginx:nginx-light haproxy:haproxy gnutls-serv:gnutls-bin \
  selfserv:libnss3-tools stunnel4:stunnel4 javac:default-jdk-headless node:nodejs python3:python3-venv \
  ip:iproute2 unshare:util-linux prometheus-alertmanager:prometheus-alertmanager \
  prometheus-blackbox-exporter:prometheus-blackbox-exporter chromium:chromium \
  aiosmtpd:python3-aiosmtpd faketime:faketime slapd:slapd postgres:postgresql mariadbd:mariadb-server-core

GO_BUILD := go build -trimpath -tags remove_all_sd,enable_kubernetes_sd
# Untold, the API server calls itself v0.0.0, and helm renders charts for Kubernetes 1.20.
GO_LDFLAGS := -s -w \
  -X k8s.io/component-base/version.gitMajor=1 \
  -X k8s.io/component-base/version.gitMinor=37 \
  -X k8s.io/component-base/version.gitVersion=v1.37.2 \
  -X helm.sh/helm/v3/internal/version.version=v3.22.0 \
  -X helm.sh/helm/v3/pkg/chartutil.k8sVersionMinor=37 \
  -X helm.sh/helm/v3/pkg/lint/rules.k8sVersionMinor=37

# A stamp is named by the hash of all that its tools are built from: unchanged, they are not built again.
stamp = $(abspath $(TOOLS_DIR))/.$(1)-$(shell { echo '$(3)'; cat $(2); } | sha256sum | cut -c 1-16)
GO_STAMP := $(call stamp,go,tests/tools/go/go.mod tests/tools/go/go.sum,$(GO_BUILD) $(GO_LDFLAGS))
PEER_STAMP := $(call stamp,peers,tests/tools/goserver/main.go tests/tools/java/TlsServer.java)
CHART_STAMP := $(call stamp,chart,tests/tools/chart/go.mod tests/tools/chart/go.sum)
CRD_STAMP := $(call stamp,crds,tests/tools/crds/go.mod tests/tools/crds/grafanadashboard.json tests/tools/go/go.mod tests/tools/schemas.py)
CORPORA_STAMP := $(call stamp,corpora,tests/tools/corpora/go.mod tests/tools/corpora/requirements.txt tests/tools/gox509/main.go)
BETTERTLS_STAMP := $(call stamp,bettertls,tests/tools/bettertls/go.mod tests/tools/bettertls/go.sum)
REQUIREMENTS := tests/tools/requirements.txt dashboards/requirements.txt
TRAEFIK_STAMP := $(call stamp,traefik,tests/tools/traefik/go.mod tests/tools/traefik/go.sum tests/tools/traefik/trim.sh)
VENV_STAMP := $(call stamp,venv,$(REQUIREMENTS))

.PHONY: tools
tools: tools-programs $(GO_STAMP) $(CHART_STAMP) $(TRAEFIK_STAMP) $(CRD_STAMP) $(CORPORA_STAMP) $(BETTERTLS_STAMP) $(PEER_STAMP) $(VENV_STAMP) tools-deny ## Install what the tests need: Debian packages, Go and Python tools, cargo-deny
	@echo "Tools are ready in $(BIN) and $(VENV)."

.PHONY: tools-programs
tools-programs:
	@for tool in cargo go; do
	  command -v "$$tool" >/dev/null || { echo "$$tool is needed and not on the PATH: https://rustup.rs and https://go.dev/dl (Go 1.26 or later)"; exit 1; }
	done
	missing=
	for pair in $(PROGRAMS); do
	  command -v "$${pair%%:*}" >/dev/null || missing+=" $${pair##*:}"
	done
	if [ -z "$$missing" ]; then echo "The system's programs are all there."; exit; fi
	if ! command -v apt-get >/dev/null; then
	  echo "These programs are needed, and only Debian's packages can be installed from here:$$missing"
	  exit 1
	fi
	echo "Installing Debian packages:$$missing (a minute at most; their services are not needed)"
	sudo=; [ "$$(id -u)" = 0 ] || sudo=sudo
	$$sudo apt-get -qq update
	$$sudo env DEBIAN_FRONTEND=noninteractive apt-get -qq install --yes --no-install-recommends $$missing </dev/null
	# Debian keeps PostgreSQL's off the PATH.
	mkdir -p $(BIN)
	command -v postgres >/dev/null || ln -sf $$(printf '%s\n' /usr/lib/postgresql/*/bin | tail -n 1)/{initdb,postgres} $(BIN)/

$(GO_STAMP):
	@echo "Building kube-apiserver, etcd, prometheus, promtool, amtool and helm: some 7 minutes on two cores the first time, 15 s once Go has them cached"
	mkdir -p $(BIN)
	cd tests/tools/go
	$(GO_BUILD) -ldflags '$(GO_LDFLAGS)' -o $(BIN)/ tool
	mv $(BIN)/server $(BIN)/etcd
	rm -f $(dir $@).go-*
	touch $@

# Both versions of helm build a program called helm.
$(CHART_STAMP):
	@echo "Building Helm 4, helm-unittest, helm-docs and kubeconform: some 2 minutes on two cores the first time"
	mkdir -p $(BIN)
	built=$$(mktemp -d); trap 'rm -rf "$$built"' EXIT
	cd tests/tools/chart
	go build -trimpath -ldflags '-s -w' -o "$$built/" tool
	mv "$$built/helm" $(BIN)/helm4
	mv "$$built"/* $(BIN)
	rm -f $(dir $@).chart-*
	touch $@

# In a copy of the module, for what trim.sh takes out of it.
$(TRAEFIK_STAMP):
	@echo "Building Traefik: some 3 minutes on two cores the first time, 15 s once Go has its packages cached"
	mkdir -p $(BIN)
	built=$$(mktemp -d); trap 'rm -rf "$$built"' EXIT
	cd tests/tools/traefik
	module=$$(go mod download -json github.com/traefik/traefik/v3 | sed -n 's/^\t"Dir": "\(.*\)",$$/\1/p')
	cp -R "$$module/." "$$built"
	chmod -R u+w "$$built"
	./trim.sh "$$built"
	cd "$$built"
	CGO_ENABLED=0 go build -trimpath -ldflags '-s -w' -o $(BIN)/ ./cmd/traefik
	rm -f $(dir $@).traefik-*
	touch $@

# Each module is fetched by itself, so that none of what it needs to be built is.
$(CRD_STAMP):
	@echo "Fetching the custom resource definitions of Gateway API, cert-manager, Traefik, Istio, Contour and the Prometheus operator, and Kubernetes' own: 60 MB"
	fetched() { (cd "tests/tools/$$1"; go mod download -json "$$2" | sed -n 's/^\t"Dir": "\(.*\)",$$/\1/p'); }
	operator=$$(fetched crds github.com/prometheus-operator/prometheus-operator)
	rm -rf $(CRDS) $(SCHEMAS) $(dir $@).crds-*
	mkdir -p $(CRDS)/chart
	cp -R "$$(fetched crds sigs.k8s.io/gateway-api)/config/crd" $(CRDS)/gateway-api
	cp -R "$$(fetched crds github.com/cert-manager/cert-manager)/deploy/crds" $(CRDS)/cert-manager
	cp "$$(fetched crds github.com/traefik/traefik/v3)/docs/content/reference/dynamic-configuration/kubernetes-crd-definition-v1.yml" $(CRDS)/traefik.yaml
	cp "$$(fetched crds istio.io/api)/kubernetes/customresourcedefinitions.gen.yaml" $(CRDS)/istio.yaml
	cp "$$(fetched crds github.com/projectcontour/contour)/examples/contour/01-crds.yaml" $(CRDS)/contour.yaml
	cp "$$operator"/jsonnet/prometheus-operator/{servicemonitors,podmonitors,prometheusrules}-crd.json tests/tools/crds/grafanadashboard.json $(CRDS)/chart
	chmod -R u+w $(CRDS)
	python3 tests/tools/schemas.py "$$(fetched go k8s.io/kubernetes)/api/openapi-spec/swagger.json" $(SCHEMAS) $(CRDS)/chart/*
	touch $@

# The flows that crypto/tls is tested with come with Go itself.
$(CORPORA_STAMP):
	@echo "Fetching the certificates that zlint and Python's cryptography are tested with: 60 MB"
	rm -rf $(CORPORA) $(dir $@).corpora-*
	mkdir -p $(BIN) $(CORPORA)
	fetched=$$(mktemp -d); trap 'rm -rf "$$fetched"' EXIT
	python3 -m venv "$$fetched/venv"
	"$$fetched/venv/bin/pip" install --quiet --no-deps --require-hashes --target "$$fetched/vectors" --requirement tests/tools/corpora/requirements.txt
	mv "$$fetched/vectors/cryptography_vectors" $(CORPORA)/cryptography
	zlint=$$(cd tests/tools/corpora; go mod download -json github.com/zmap/zlint/v3 | sed -n 's/^\t"Dir": "\(.*\)",$$/\1/p')
	cp -R "$$zlint/testdata" $(CORPORA)/zlint
	cp -R "$$(go env GOROOT)/src/crypto/tls/testdata" $(CORPORA)/gotls
	chmod -R u+w $(CORPORA)
	go build -trimpath -ldflags '-s -w' -o $(BIN)/gox509 tests/tools/gox509/main.go
	touch $@

# Minted anew: its certificates are judged at an instant of their own.
$(BETTERTLS_STAMP):
	@echo "Building bettertls and minting its test cases: half a minute"
	mkdir -p $(BIN)
	cd tests/tools/bettertls
	go build -trimpath -ldflags '-s -w' -o $(BIN)/ tool
	$(BIN)/bettertls export-tests -out $(abspath $(TOOLS_DIR))/bettertls.json
	rm -f $(dir $@).bettertls-*
	touch $@

$(PEER_STAMP):
	@echo "Building the tests' own TLS servers in Go and Java: seconds"
	mkdir -p $(BIN)
	go build -trimpath -ldflags '-s -w' -o $(BIN)/goserver tests/tools/goserver/main.go
	javac -d $(BIN) tests/tools/java/TlsServer.java
	rm -f $(dir $@).peers-*
	touch $@

$(VENV_STAMP):
	@echo "Installing tlslite-ng, a JSON schema checker and Grafana's SDK for Python: seconds"
	rm -rf $(VENV) $(dir $@).venv-*
	mkdir -p $(dir $@)
	python3 -m venv $(VENV)
	$(VENV)/bin/pip install --quiet --require-hashes $(REQUIREMENTS:%=--requirement %)
	touch $@

# Into cargo's own folder, so that another checkout finds it; not optimised, for it builds in a third of the time.
.PHONY: tools-deny
tools-deny:
	@if [ "$$(cargo deny --version 2>/dev/null)" = "cargo-deny $(CARGO_DENY)" ]; then exit; fi
	echo "Building cargo-deny $(CARGO_DENY): some 2 minutes, once"
	CARGO_PROFILE_DEV_DEBUG=0 cargo install --quiet --locked --debug --force cargo-deny@$(CARGO_DENY)

# ---- Checks of the Rust code

.PHONY: fmt-check
fmt-check: ## Check the formatting
	@echo "Checking the formatting: cargo fmt mends it"
	cargo fmt --check
	cargo fmt --check --manifest-path fuzz/Cargo.toml

.PHONY: clippy
clippy: ## Lint all targets; warnings are errors
	@echo "Linting: the first run compiles the dependencies, some minutes"
	cargo clippy --locked --all-targets -- -D warnings

.PHONY: doc
doc: ## Build the code's documentation; warnings are errors
	@echo "Building the documentation of the code"
	RUSTDOCFLAGS='-D warnings' cargo doc --locked --quiet --no-deps --document-private-items

.PHONY: deny
deny: ## Check the dependencies' licences, sources, bans and duplicates
	@echo "Checking the dependencies against deny.toml"
	cargo deny --locked check --deny warnings --hide-inclusion-graph bans licenses sources

# The name that cargo-deny gives its own clone of the database.
ADVISORY_CLONE := advisory-db-3157b0e258782691

.PHONY: advisories
advisories: ## Check the dependencies against the advisory database: GitHub's, or a clone, ADVISORY_DB=DIR (not part of `make test`)
	@if [ -z "$(ADVISORY_DB)" ]; then
	  cargo deny --locked check advisories
	  exit
	fi
	path=$$(mktemp -d); trap 'rm -rf "$$path"' EXIT
	git clone --quiet "$(ADVISORY_DB)" "$$path/$(ADVISORY_CLONE)"
	{ printf '[advisories]\ndb-path = "%s"\n' "$$path"; cat deny.toml; } >"$$path/deny.toml"
	cargo deny --locked --offline --config "$$path/deny.toml" check advisories

.PHONY: unit
unit: ## Run the unit and documentation tests
	@echo "Running the unit tests: the first run compiles the dependencies, some minutes"
	cargo test --locked --lib --bins
	cargo test --locked --doc

.PHONY: integration
integration: ## Run the tests against real servers, a real API server and a real Prometheus (needs `make tools`)
	@echo "Running the integration tests"
	cargo test --locked --test '*'

# Each target starts from its own folder of fuzz/corpus and from the tests' own files. What it finds on the way is left
# in fuzz/target/corpus, a crash in fuzz/artifacts.
FUZZ_SECONDS ?= 60
FUZZ_TARGETS := answer:src/probe/testdata chain http starttls config:tests/fixtures/config \
  web:tests/fixtures/web files:tests/fixtures discover:tests/fixtures

# The sanitizer is no stable feature of the compiler: RUSTC_BOOTSTRAP lets the one that builds the project have it, so
# that no second toolchain is needed.
.PHONY: fuzz
fuzz: tools-fuzz ## Fuzz every reader of what comes from outside, two at a time, for FUZZ_SECONDS each
	@echo "Building the fuzz targets: some 10 minutes on two cores the first time"
	export RUSTC_BOOTSTRAP=1
	cargo fuzz build
	start() {
	  target=$${1%%:*}; seeds=$${1#"$$target"}
	  mkdir -p "fuzz/target/corpus/$$target" "fuzz/corpus/$$target"
	  echo "Fuzzing $$target for $(FUZZ_SECONDS) s"
	  if ! cargo fuzz run "$$target" "fuzz/target/corpus/$$target" "fuzz/corpus/$$target" $${seeds#:} -- \
	    -max_total_time=$(FUZZ_SECONDS) -timeout=60 -rss_limit_mb=2048 -max_len=8192 -print_final_stats=1 >"fuzz/target/$$target.log" 2>&1
	  then tail -n 60 "fuzz/target/$$target.log"; exit 1; fi
	  sed -n 's/^stat::number_of_executed_units: */  '"$$target"': inputs tried: /p' "fuzz/target/$$target.log"
	}
	export -f start
	printf '%s\n' $(FUZZ_TARGETS) | xargs -P 2 -I TARGET bash -euo pipefail -c 'start TARGET'

.PHONY: tools-fuzz
tools-fuzz:
	@if [ "$$(cargo fuzz --version 2>/dev/null)" = "cargo-fuzz $(CARGO_FUZZ)" ]; then exit; fi
	echo "Building cargo-fuzz $(CARGO_FUZZ): a minute, once"
	CARGO_PROFILE_DEV_DEBUG=0 cargo install --quiet --locked --debug --force cargo-fuzz@$(CARGO_FUZZ)

# ---- What is generated, and what ships beside the program

.PHONY: gen
gen: $(VENV_STAMP) $(CHART_STAMP) ## Write again what is generated: documents, the chart's access rules and README, dashboards
	cargo run --quiet --locked -- gen .
	helm/document.sh
	$(VENV)/bin/python dashboards/generate.py

.PHONY: golden
golden: ## Write anew what the tests expect: the scrape of the demo, and what objects come to
	UPDATE_GOLDEN=1 cargo test --locked --lib discover::
	UPDATE_GOLDEN=1 cargo test --locked --test integration golden::the_demo

.PHONY: capture
capture: ## Write the answers of real servers anew that the unit tests replay (needs `make tools`)
	cargo test --locked --test integration capture:: -- --ignored

SCANNERS := $(abspath $(TOOLS_DIR))/scanners
SCANNERS_STAMP := $(call stamp,scanners,tests/tools/scanners.txt)

$(SCANNERS_STAMP):
	@echo "Installing sslyze: seconds"
	rm -rf $(SCANNERS) $(dir $@).scanners-*
	mkdir -p $(dir $@)
	python3 -m venv $(SCANNERS)
	$(SCANNERS)/bin/pip install --quiet --require-hashes --requirement tests/tools/scanners.txt
	touch $@

.PHONY: differential
differential: $(SCANNERS_STAMP) ## Ask sslscan, sslyze and testssl.sh anew about the tests' servers: all, or ONLY=one,another (needs `make tools`)
	@$(MAKE) --no-print-directory tools-programs PROGRAMS='sslscan:sslscan testssl:testssl.sh dig:bind9-dnsutils'
	echo "Asking the scanners: some 40 minutes on two cores for all servers"
	PATH="$$PATH:$(SCANNERS)/bin" cargo test --locked --test integration differential::ask -- --ignored --nocapture

.PHONY: dashboards
dashboards: $(VENV_STAMP) ## Lint the dashboards, and check that they are those that make gen writes (needs `make tools`)
	@echo "Checking the dashboards"
	fresh=$$(mktemp -d); trap 'rm -rf "$$fresh"' EXIT
	$(VENV)/bin/python dashboards/generate.py "$$fresh"
	for board in $$({ cd dashboards; ls *.json; cd "$$fresh"; ls *.json; } | sort -u); do
	  diff -uN "dashboards/$$board" "$$fresh/$$board" || { echo "dashboards/$$board is out of date: run make gen and commit the result"; exit 1; }
	done
	$(VENV)/bin/python dashboards/lint.py

.PHONY: rules
rules: ## Lint the alert rules and run their unit tests (needs `make tools`)
	@echo "Checking the alert rules"
	promtool check rules --lint=all --lint-fatal alerts/*.yaml
	promtool test rules alerts/tests/*.yaml

.PHONY: chart
chart: ## Lint the Helm chart, and check what it renders and refuses (needs `make tools`)
	@echo "Checking the chart"
	helm/test.sh

.PHONY: peers
peers: ## Start every TLS server of the tests and check which versions it speaks (needs `make tools`)
	@echo "Checking that each TLS server of the tests speaks the versions it is there for"
	$(VENV)/bin/python tests/tools/peers.py

# ---- Use

.PHONY: bench
bench: ## Compare with blackbox_exporter: CPU, memory, scrapes (needs nginx-light, prometheus-blackbox-exporter)
	@echo "Building what is measured: some minutes the first time"
	cargo build --release --locked
	python3 benches/compare.py target/release/kube-https-exporter

.PHONY: bench-micro
bench-micro: ## Measure the steps of a probe by themselves: time and allocations
	cargo bench --locked --bench micro

.PHONY: bench-scale
bench-scale: ## Measure 1,000, 10,000 and 100,000 targets: memory, CPU, scrapes, lateness (needs nginx-light; some 15 minutes)
	cargo build --release --locked
	python3 benches/scale.py target/release/kube-https-exporter

.PHONY: bench-page
bench-page: ## Measure the status page in Chromium with 10,000 targets
	cargo build --release --locked
	python3 benches/page.py target/release/kube-https-exporter

.PHONY: bench-cold
bench-cold: ## Measure a cold start against a real API server with 10,000 Ingresses (needs `make tools`)
	cargo build --release --locked
	python3 benches/cold_start.py target/release/kube-https-exporter

SOAK_SECONDS ?= 3600

.PHONY: soak
soak: ## Churn a real cluster for SOAK_SECONDS, and judge the exporter's memory (needs `make tools`, and root for ports 80 and 443)
	cargo build --release --locked
	python3 benches/soak.py --seconds $(SOAK_SECONDS) target/release/kube-https-exporter

.PHONY: chaos
chaos: ## The same while the API server, etcd, nginx and the machine fail (SEED=NUMBER repeats a run)
	cargo build --release --locked
	python3 benches/soak.py --chaos --seconds $(SOAK_SECONDS) $(SEED:%=--seed %) target/release/kube-https-exporter

# ---- What is shipped

CARGO_DEB := 3.8.0
CARGO_CYCLONEDX := 0.5.9

.PHONY: package
package: ## Build what is shipped: the static program, the Debian package (checked by lintian), the bill of materials
	@echo "Building the static program: some 8 minutes on two cores"
	packaging/build-static.sh target/package
	packaging/package.sh target/package $(CARGO_DEB) $(CARGO_CYCLONEDX)

.PHONY: image
image: ## Build the image from what `make package` has built, and start it (needs buildah)
	packaging/image/build.sh target/package

.PHONY: reproducible
reproducible: ## Build the static program twice, from two folders, and compare (some 20 minutes)
	@packaging/reproducible.sh

.PHONY: demo
demo: ## Run the exporter against a small demo cluster of its own
	cargo run --release --locked -- demo

.PHONY: clean
clean: ## Remove all that was built, the tools too
	cargo clean
	rm -rf $(TOOLS_DIR)
