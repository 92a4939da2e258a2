// The modules whose custom resource definitions the tests install; no Go code is built from them.
module kube-https-exporter/tests/crds

go 1.26

require (
	github.com/prometheus-operator/prometheus-operator v0.85.0
	sigs.k8s.io/gateway-api v1.6.3
)
