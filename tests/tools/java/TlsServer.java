import java.io.IOException;
import java.io.InputStream;
import java.net.InetAddress;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.KeyFactory;
import java.security.KeyStore;
import java.security.PrivateKey;
import java.security.Security;
import java.security.cert.Certificate;
import java.security.cert.CertificateFactory;
import java.security.spec.PKCS8EncodedKeySpec;
import java.util.Base64;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import javax.net.ssl.KeyManagerFactory;
import javax.net.ssl.SSLContext;
import javax.net.ssl.SSLServerSocket;
import javax.net.ssl.SSLSocket;

/**
 * A server on Java's own TLS (JSSE), one of the real peers of the tests: SSL 3.0 up to TLS 1.3.
 *
 * <p>java TlsServer --listen 127.0.0.1:0 --cert chain.pem --key pkcs8.pem --min ssl3 --max tls1.3
 */
public class TlsServer {
    /** In rising order. */
    private static final List<String> NAMES = List.of("ssl3", "tls1.0", "tls1.1", "tls1.2", "tls1.3");

    private static final List<String> JSSE = List.of("SSLv3", "TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3");

    private static final byte[] ANSWER =
            "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nConnection: close\r\n\r\nok\n".getBytes(StandardCharsets.US_ASCII);

    public static void main(String[] args) throws Exception {
        // Java forbids SSL 3.0, TLS 1.0 and 1.1 and old suites by these lists; they are read when JSSE is first used.
        Security.setProperty("jdk.tls.disabledAlgorithms", "");
        Security.setProperty("jdk.certpath.disabledAlgorithms", "");

        Map<String, String> flags = new HashMap<>(
                Map.of("--listen", "127.0.0.1:0", "--min", "ssl3", "--max", "tls1.3"));
        for (int i = 0; i + 1 < args.length; i += 2) {
            flags.put(args[i], args[i + 1]);
        }
        String listen = flags.get("--listen");
        int colon = listen.lastIndexOf(':');
        SSLServerSocket server = (SSLServerSocket) context(Path.of(flags.get("--cert")), Path.of(flags.get("--key")))
                .getServerSocketFactory()
                .createServerSocket(Integer.parseInt(listen.substring(colon + 1)), 50,
                        InetAddress.getByName(listen.substring(0, colon)));
        server.setEnabledProtocols(JSSE.subList(index(flags.get("--min")), index(flags.get("--max")) + 1)
                .toArray(String[]::new));
        server.setEnabledCipherSuites(server.getSupportedCipherSuites());

        System.out.println("listening " + server.getInetAddress().getHostAddress() + ":" + server.getLocalPort());
        while (true) {
            SSLSocket socket = (SSLSocket) server.accept();
            Thread thread = new Thread(() -> answer(socket));
            thread.setDaemon(true);
            thread.start();
        }
    }

    private static int index(String version) {
        int index = NAMES.indexOf(version);
        if (index < 0) {
            throw new IllegalArgumentException(version + ": not one of " + NAMES);
        }
        return index;
    }

    private static SSLContext context(Path certificates, Path key) throws Exception {
        Certificate[] chain;
        try (InputStream in = Files.newInputStream(certificates)) {
            chain = CertificateFactory.getInstance("X.509").generateCertificates(in).toArray(Certificate[]::new);
        }
        // Java reads only PKCS #8 ("BEGIN PRIVATE KEY").
        byte[] der = Base64.getMimeDecoder().decode(Files.readString(key).replaceAll("-----[A-Z ]+-----", ""));
        PrivateKey secret = KeyFactory.getInstance(chain[0].getPublicKey().getAlgorithm())
                .generatePrivate(new PKCS8EncodedKeySpec(der));
        KeyStore store = KeyStore.getInstance("PKCS12");
        store.load(null);
        store.setKeyEntry("server", secret, new char[0], chain);
        // SunX509 offers the one key it has; the newer NewSunX509 judges it first.
        KeyManagerFactory keys = KeyManagerFactory.getInstance("SunX509");
        keys.init(store, new char[0]);
        SSLContext context = SSLContext.getInstance("TLS");
        context.init(keys.getKeyManagers(), null, null);
        return context;
    }

    private static void answer(SSLSocket socket) {
        try (socket) {
            socket.setSoTimeout(10_000);
            socket.startHandshake();
            if (socket.getInputStream().read(new byte[4096]) > 0) {
                socket.getOutputStream().write(ANSWER);
            }
        } catch (IOException refused) {
            System.err.println(refused);
        }
    }
}
