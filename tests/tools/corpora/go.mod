// The module whose folder of certificates the tests read; no Go code is built from it.
module kube-https-exporter/tests/corpora

go 1.26

require github.com/zmap/zlint/v3 v3.7.3
