//! Signs every request of the OpenTelemetry exporters for sigpost.
//!
//! ```no_run
//! use opentelemetry_otlp::{SpanExporter, WithExportConfig, WithHttpConfig};
//! use sigpost_signed_client::{SigningClient, Who};
//!
//! let who = Who { secret: "…".into(), session_id: "…".into(), ..Who::default() };
//! let exporter = SpanExporter::builder()
//!     .with_http()
//!     .with_endpoint("https://telemetry.example.org/v1/traces")
//!     .with_http_client(SigningClient::new(reqwest::blocking::Client::new(), who).unwrap())
//!     .build();
//! ```
//!
//! The signature is HMAC-SHA256 over "POST|{path}|{timestamp}|{session id}". It is made anew each
//! time a request is sent, retries included, so it never grows older than the gateway's window.

use std::fmt;
use std::time::{SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use hmac::{Hmac, Mac};
use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use sha2::Sha256;

/// Who signs. Only the secret is required; what is empty is not sent.
#[derive(Clone, Default)]
pub struct Who {
    pub secret: String,
    pub session_id: String,
    pub client_version: String,
    pub key_id: String,
    pub build: String,
}

/// The value of X-KMS-Signature, 64 hex digits. The secret's own characters are the key: a secret
/// that looks like hex or base64 is not decoded.
pub fn sign(secret: &str, path: &str, timestamp: &str, session_id: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.trim().as_bytes())
        .expect("HMAC takes a key of any length");
    mac.update(format!("POST|{path}|{timestamp}|{session_id}").as_bytes());
    let digits = mac.finalize().into_bytes();
    digits.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// An `HttpClient` around another that signs what passes through it.
pub struct SigningClient<C> {
    inner: C,
    who: Who,
}

/// The exporters' builders ask for it; the secret stays out.
impl<C: fmt::Debug> fmt::Debug for SigningClient<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningClient").field("inner", &self.inner).finish_non_exhaustive()
    }
}

impl<C> SigningClient<C> {
    pub fn new(inner: C, who: Who) -> Result<Self, String> {
        if who.secret.trim().is_empty() {
            return Err("the signing secret is empty".into());
        }
        let allowed = |c: u8| c.is_ascii_alphanumeric() || b"._:-".contains(&c);
        if who.session_id.len() > 128 || !who.session_id.bytes().all(allowed) {
            return Err("a session id is up to 128 of A-Z a-z 0-9 . _ : -".into());
        }
        Ok(Self { inner, who })
    }

    fn apply(&self, request: &mut Request<Bytes>) -> Result<(), HttpError> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs().to_string();
        // The path exactly as it goes on the wire, without the query.
        let signature = sign(&self.who.secret, request.uri().path(), &now, &self.who.session_id);
        for (name, value) in [
            ("x-kms-timestamp", &now),
            ("x-kms-signature", &signature),
            ("x-kms-session-id", &self.who.session_id),
            ("x-kms-client-version", &self.who.client_version),
            ("x-kms-key-id", &self.who.key_id),
            ("x-kms-build", &self.who.build),
        ] {
            if !value.is_empty() {
                request.headers_mut().insert(name, value.parse()?);
            }
        }
        Ok(())
    }
}

#[async_trait]
impl<C: HttpClient> HttpClient for SigningClient<C> {
    async fn send_bytes(&self, mut request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        self.apply(&mut request)?;
        self.inner.send_bytes(request).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signs_the_documented_vector() {
        assert_eq!(
            sign(" super-secret\n", "/v1/metrics", "1712345678", "session-123"),
            "bde7cfa92ee08bded36169b4c6fc477126bfd32bace9e50919a5c552650ff56e"
        );
    }

    #[test]
    fn refuses_what_the_gateway_would_refuse() {
        for (secret, session_id) in [(" \n", "s"), ("secret", "a|b"), ("secret", "ä")] {
            let who =
                Who { secret: secret.into(), session_id: session_id.into(), ..Who::default() };
            assert!(SigningClient::new((), who).is_err(), "{secret:?} {session_id:?}");
        }
    }
}
