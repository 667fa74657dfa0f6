// signing.js: signs every request of the OpenTelemetry exporters for sigpost.
//
//     new OTLPTraceExporter(signedExporter(url, '/v1/traces', { secret, sessionId }))
//
// The exporters call an async `headers` function for each request they send, retries included, so
// the signature is made anew each time and never grows older than the gateway's window. An object
// of headers instead of the function would be signed once and be stale after five minutes.
import { createHmac } from 'node:crypto';

const SESSION_ID = /^[A-Za-z0-9._:-]{0,128}$/;

/**
 * The value of X-KMS-Signature: HMAC-SHA256 over "POST|{path}|{timestamp}|{session id}", 64 hex
 * digits. The secret's own characters are the key: one that looks like hex is not decoded.
 */
export function sign(secret, path, timestamp, sessionId = '') {
  return createHmac('sha256', secret.trim())
    .update(`POST|${path}|${timestamp}|${sessionId}`)
    .digest('hex');
}

/**
 * Options for an OTLP/HTTP exporter: its URL, and headers that are signed per request.
 * `who`: secret, sessionId, and optionally clientVersion, keyId, build.
 */
export function signedExporter(baseUrl, signalPath, who) {
  const { secret, sessionId = '', clientVersion, keyId, build } = who;
  if (!secret?.trim()) {
    throw new Error('the signing secret is empty');
  }
  if (!SESSION_ID.test(sessionId)) {
    throw new Error('a session id is up to 128 of A-Z a-z 0-9 . _ : -');
  }
  const url = new URL(baseUrl.replace(/\/+$/, '') + signalPath);
  const fixed = Object.fromEntries(
    Object.entries({
      'X-KMS-Session-ID': sessionId,
      'X-KMS-Client-Version': clientVersion,
      'X-KMS-Key-ID': keyId,
      'X-KMS-Build': build,
    }).filter(([, value]) => value),
  );
  return {
    url: url.href,
    headers: async () => {
      const timestamp = Math.floor(Date.now() / 1000);
      return {
        ...fixed,
        'X-KMS-Timestamp': String(timestamp),
        'X-KMS-Signature': sign(secret, url.pathname, timestamp, sessionId),
      };
    },
  };
}
