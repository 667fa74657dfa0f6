package sigpost;

import java.nio.charset.StandardCharsets;
import java.security.GeneralSecurityException;
import java.time.Instant;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.function.Supplier;
import javax.crypto.Mac;
import javax.crypto.spec.SecretKeySpec;

/**
 * Signs every export of the OpenTelemetry exporters for sigpost.
 *
 * <pre>{@code
 * Signer signer = new Signer(secret, sessionId, "1.2.3");
 * OtlpHttpSpanExporter.builder()
 *     .setEndpoint(url + "/v1/traces")
 *     .setHeaders(signer.headersFor("/v1/traces"))
 *     .build();
 * }</pre>
 *
 * <p>The signature is HMAC-SHA256 over "POST|{path}|{timestamp}|{session id}". The exporters ask the
 * supplier once for each export, so the signature never grows older than the gateway's window. Their
 * retries of one export, within its timeout of 10 seconds, carry that export's signature.
 */
public final class Signer {
  private final SecretKeySpec key;
  private final String sessionId;
  private final String clientVersion;

  /** The client's version, for logs, may be null; an empty session id is none. */
  public Signer(String secret, String sessionId, String clientVersion) {
    if (secret == null || secret.isBlank()) {
      throw new IllegalArgumentException("the signing secret is empty");
    }
    if (!sessionId.matches("[A-Za-z0-9._:-]{0,128}")) {
      throw new IllegalArgumentException("a session id is up to 128 of A-Z a-z 0-9 . _ : -");
    }
    // The secret's own characters are the key: one that looks like hex or base64 is not decoded.
    this.key = new SecretKeySpec(secret.strip().getBytes(StandardCharsets.UTF_8), "HmacSHA256");
    this.sessionId = sessionId;
    this.clientVersion = clientVersion;
  }

  /** The value of X-KMS-Signature, 64 hex digits. */
  public String sign(String path, String timestamp) {
    String message = "POST|" + path + "|" + timestamp + "|" + sessionId;
    try {
      Mac mac = Mac.getInstance("HmacSHA256");
      mac.init(key);
      return HexFormat.of().formatHex(mac.doFinal(message.getBytes(StandardCharsets.UTF_8)));
    } catch (GeneralSecurityException e) {
      throw new IllegalStateException("every Java platform has HmacSHA256", e);
    }
  }

  /** For setHeaders of an exporter whose endpoint has this path. */
  public Supplier<Map<String, String>> headersFor(String path) {
    return () -> {
      String now = Long.toString(Instant.now().getEpochSecond());
      Map<String, String> headers = new LinkedHashMap<>();
      headers.put("X-KMS-Timestamp", now);
      headers.put("X-KMS-Signature", sign(path, now));
      if (!sessionId.isEmpty()) {
        headers.put("X-KMS-Session-ID", sessionId);
      }
      if (clientVersion != null) {
        headers.put("X-KMS-Client-Version", clientVersion);
      }
      return headers;
    };
  }
}
