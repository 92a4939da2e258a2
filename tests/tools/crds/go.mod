// The modules whose custom resource definitions the tests install; no Go code is built from them.
module kube-https-exporter/tests/crds

go 1.26

require (
	github.com/cert-manager/cert-manager v1.21.2
	github.com/projectcontour/contour v1.33.8
	github.com/traefik/traefik/v3 v3.7.13
	istio.io/api v1.31.4
	github.com/prometheus-operator/prometheus-operator v0.85.0
	sigs.k8s.io/gateway-api v1.6.3
)
