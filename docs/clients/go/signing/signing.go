// Package signing signs every request of an http.Client for sigpost.
//
//	http, err := signing.Client(signing.Who{Secret: secret, SessionID: session})
//	otlptracehttp.New(ctx, otlptracehttp.WithEndpointURL(url+"/v1/traces"), otlptracehttp.WithHTTPClient(http))
//
// The signature is HMAC-SHA256 over "POST|{path}|{timestamp}|{session id}". It is made anew each time
// a request is sent, retries included, so it never grows older than the gateway's window.
package signing

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"
)

var sessionID = regexp.MustCompile(`^[A-Za-z0-9._:-]{0,128}$`)

// Who signs. Only Secret is required.
type Who struct {
	Secret        string
	SessionID     string
	ClientVersion string
	KeyID         string
	Build         string
}

// Sign returns the value of X-KMS-Signature, 64 hex digits. The secret's own characters are the key:
// a secret that looks like hex or base64 is not decoded.
func Sign(secret, path, timestamp, session string) string {
	mac := hmac.New(sha256.New, []byte(strings.TrimSpace(secret)))
	mac.Write([]byte("POST|" + path + "|" + timestamp + "|" + session))
	return hex.EncodeToString(mac.Sum(nil))
}

type transport struct {
	who  Who
	base http.RoundTripper
}

// RoundTrip signs a copy: a RoundTripper may not change the caller's request.
func (t *transport) RoundTrip(request *http.Request) (*http.Response, error) {
	signed := request.Clone(request.Context())
	// The path exactly as it goes on the wire, without the query.
	path := signed.URL.EscapedPath()
	if path == "" {
		path = "/"
	}
	now := strconv.FormatInt(time.Now().Unix(), 10)
	for name, value := range map[string]string{
		"X-KMS-Timestamp":      now,
		"X-KMS-Signature":      Sign(t.who.Secret, path, now, t.who.SessionID),
		"X-KMS-Session-ID":     t.who.SessionID,
		"X-KMS-Client-Version": t.who.ClientVersion,
		"X-KMS-Key-ID":         t.who.KeyID,
		"X-KMS-Build":          t.who.Build,
	} {
		if value != "" {
			signed.Header.Set(name, value)
		}
	}
	return t.base.RoundTrip(signed)
}

// Transport wraps base (http.DefaultTransport when nil) so that every request is signed.
func Transport(who Who, base http.RoundTripper) (http.RoundTripper, error) {
	if strings.TrimSpace(who.Secret) == "" {
		return nil, errors.New("the signing secret is empty")
	}
	if !sessionID.MatchString(who.SessionID) {
		return nil, errors.New("a session id is up to 128 of A-Z a-z 0-9 . _ : -")
	}
	if base == nil {
		base = http.DefaultTransport
	}
	return &transport{who, base}, nil
}

// Client is an http.Client that signs, for the exporters' WithHTTPClient. With a client of one's own
// the exporters' WithTimeout no longer counts, so the usual ten seconds are set here. Redirects are
// not followed: they would carry the signature to another path or host.
func Client(who Who) (*http.Client, error) {
	signer, err := Transport(who, nil)
	if err != nil {
		return nil, err
	}
	return &http.Client{
		Transport: signer,
		Timeout:   10 * time.Second,
		CheckRedirect: func(*http.Request, []*http.Request) error {
			return http.ErrUseLastResponse
		},
	}, nil
}
