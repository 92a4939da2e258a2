// A TLS (or plain HTTP) server with every knob of crypto/tls that a probe can see, one of the real peers of the tests.
// Standard library only, so it builds from this one file without a module.
package main

import (
	"crypto/tls"
	"flag"
	"fmt"
	"log"
	"net"
	"net/http"
	"strings"
)

var versions = map[string]uint16{
	"tls1.0": tls.VersionTLS10,
	"tls1.1": tls.VersionTLS11,
	"tls1.2": tls.VersionTLS12,
	"tls1.3": tls.VersionTLS13,
}

var clientAuth = map[string]tls.ClientAuthType{
	"none":    tls.NoClientCert,
	"request": tls.RequestClientCert,
	"require": tls.RequireAnyClientCert,
}

func main() {
	log.SetFlags(0)
	listen := flag.String("listen", "127.0.0.1:0", "address and port; port 0 lets the system choose")
	cert := flag.String("cert", "", "PEM file of the certificate chain")
	key := flag.String("key", "", "PEM file of the private key")
	lowest := flag.String("min", "tls1.0", "lowest version: tls1.0, tls1.1, tls1.2, tls1.3")
	highest := flag.String("max", "tls1.3", "highest version")
	auth := flag.String("client-auth", "none", "client certificate: none, request, require")
	alpn := flag.String("alpn", "h2,http/1.1", "protocols to offer, comma-separated; empty for no ALPN at all")
	plain := flag.Bool("plain", false, "speak HTTP without TLS")
	flag.Parse()

	listener, err := net.Listen("tcp", *listen)
	if err != nil {
		log.Fatal(err)
	}
	var protocols http.Protocols
	protocols.SetHTTP1(true)
	if !*plain {
		listener = tls.NewListener(listener, config(*cert, *key, *lowest, *highest, *auth, *alpn))
		protocols.SetHTTP2(strings.Contains(*alpn, "h2"))
	}
	server := &http.Server{
		Protocols: &protocols,
		Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			fmt.Fprintln(w, "ok")
		}),
		ErrorLog: log.Default(),
	}
	fmt.Println("listening", listener.Addr())
	log.Fatal(server.Serve(listener))
}

func config(cert, key, lowest, highest, auth, alpn string) *tls.Config {
	pair, err := tls.LoadX509KeyPair(cert, key)
	if err != nil {
		log.Fatal(err)
	}
	config := &tls.Config{
		Certificates: []tls.Certificate{pair},
		MinVersion:   lookup(versions, "min", lowest),
		MaxVersion:   lookup(versions, "max", highest),
		ClientAuth:   lookup(clientAuth, "client-auth", auth),
	}
	if alpn != "" {
		config.NextProtos = strings.Split(alpn, ",")
	}
	// Go's default list leaves out RSA key exchange and 3DES, which some old clients of TLS 1.0 need.
	for _, suite := range append(tls.CipherSuites(), tls.InsecureCipherSuites()...) {
		config.CipherSuites = append(config.CipherSuites, suite.ID)
	}
	return config
}

func lookup[T any](table map[string]T, name, value string) T {
	found, ok := table[value]
	if !ok {
		log.Fatalf("-%s %s: not one of its values", name, value)
	}
	return found
}
