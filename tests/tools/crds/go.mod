// The modules whose custom resource definitions the tests install; no Go code is built from them.
module kube-https-exporter/tests/crds

go 1.26

require sigs.k8s.io/gateway-api v1.6.3

require github.com/cert-manager/cert-manager v1.21.2
