// Traefik, the controller of the tests. Apart from ../go because its own go.mod replaces modules, so that it can be
// built as the main module alone.
module kube-https-exporter/tests/tools/traefik

go 1.26

require github.com/traefik/traefik/v3 v3.6.12
