// What Go's crypto/x509 reads of certificates: of each line, a certificate's DER in base64, a line of JSON.
// Standard library only, so it builds from this one file without a module.

//go:debug x509negativeserial=1
package main

import (
	"bufio"
	"crypto/dsa"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"log"
	"os"
)

type facts struct {
	Error              string   `json:"error,omitempty"`
	SubjectCommonName  string   `json:"subject_common_name"`
	IssuerCommonName   string   `json:"issuer_common_name"`
	SerialNumber       string   `json:"serial_number"`
	NotBefore          int64    `json:"not_before"`
	NotAfter           int64    `json:"not_after"`
	KeyAlgorithm       string   `json:"key_algorithm"`
	KeySize            int      `json:"key_size"`
	SignatureAlgorithm string   `json:"signature_algorithm"`
	IsCA               bool     `json:"is_ca"`
	DNSNames           []string `json:"dns_names,omitempty"`
	IPNames            []string `json:"ip_names,omitempty"`
}

func read(der []byte) facts {
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		return facts{Error: err.Error()}
	}
	var ips []string
	for _, ip := range certificate.IPAddresses {
		ips = append(ips, ip.String())
	}
	return facts{
		SubjectCommonName:  certificate.Subject.CommonName,
		IssuerCommonName:   certificate.Issuer.CommonName,
		SerialNumber:       certificate.SerialNumber.Text(16),
		NotBefore:          certificate.NotBefore.Unix(),
		NotAfter:           certificate.NotAfter.Unix(),
		KeyAlgorithm:       certificate.PublicKeyAlgorithm.String(),
		KeySize:            size(certificate.PublicKey),
		SignatureAlgorithm: certificate.SignatureAlgorithm.String(),
		IsCA:               certificate.IsCA,
		DNSNames:           certificate.DNSNames,
		IPNames:            ips,
	}
}

// Of the modulus, the field or the encoded key, in bits; 0 where Go does not read the key.
func size(key any) int {
	switch key := key.(type) {
	case *rsa.PublicKey:
		return key.N.BitLen()
	case *ecdsa.PublicKey:
		return key.Params().BitSize
	case *dsa.PublicKey:
		return key.P.BitLen()
	case ed25519.PublicKey:
		return len(key) * 8
	}
	return 0
}

func main() {
	log.SetFlags(0)
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 1<<20)
	answers := json.NewEncoder(os.Stdout)
	answers.SetEscapeHTML(false)
	for lines.Scan() {
		der, err := base64.StdEncoding.DecodeString(lines.Text())
		if err != nil {
			log.Fatal(err)
		}
		if err := answers.Encode(read(der)); err != nil {
			log.Fatal(err)
		}
	}
	if err := lines.Err(); err != nil {
		log.Fatal(err)
	}
}
