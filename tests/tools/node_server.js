// A server on Node's TLS, one of the real peers of the tests: TLS 1.0 up to 1.3.
//
//   node node_server.js --listen 127.0.0.1:0 --cert chain.pem --key key.pem --min tls1.0 --max tls1.3
'use strict';

const fs = require('node:fs');
const https = require('node:https');
const { parseArgs } = require('node:util');

const VERSIONS = { 'tls1.0': 'TLSv1', 'tls1.1': 'TLSv1.1', 'tls1.2': 'TLSv1.2', 'tls1.3': 'TLSv1.3' };

const { values: flags } = parseArgs({
  options: {
    listen: { type: 'string', default: '127.0.0.1:0' },
    cert: { type: 'string' },
    key: { type: 'string' },
    min: { type: 'string', default: 'tls1.0' },
    max: { type: 'string', default: 'tls1.3' },
    // none, request or require.
    'client-auth': { type: 'string', default: 'none' },
    // As OpenSSL's -groups has them.
    groups: { type: 'string', default: 'auto' },
  },
});

function version(name) {
  if (!VERSIONS[name]) throw new Error(`${name}: not one of ${Object.keys(VERSIONS).join(', ')}`);
  return VERSIONS[name];
}

const server = https.createServer(
  {
    cert: fs.readFileSync(flags.cert),
    key: fs.readFileSync(flags.key),
    minVersion: version(flags.min),
    maxVersion: version(flags.max),
    requestCert: flags['client-auth'] !== 'none',
    rejectUnauthorized: flags['client-auth'] === 'require',
    ecdhCurve: flags.groups,
    // Above security level 0 OpenSSL 3 has no signature it may use for TLS 1.0 and 1.1.
    ciphers: 'DEFAULT@SECLEVEL=0',
  },
  (_request, response) => response.end('ok\n'),
);
server.on('tlsClientError', (error) => console.error(error.message));

const [, host, port] = flags.listen.match(/^(.*):(\d+)$/);
server.listen(Number(port), host, () => {
  const { address, port: bound } = server.address();
  console.log(`listening ${address}:${bound}`);
});
