// Package tlsalpn01 has what Traefik's own TLS-ALPN challenge needs.
package tlsalpn01

import (
	"time"

	"github.com/go-acme/lego/v5/acme"
)

// ACMETLS1Protocol is the protocol's name in ALPN (RFC 8737).
const ACMETLS1Protocol = "acme-tls/1"

// ChallengeOption is an option of the challenge.
type ChallengeOption func() error

// SetDelay is no option.
func SetDelay(time.Duration) ChallengeOption { return func() error { return nil } }

// ChallengeBlocks refuses.
func ChallengeBlocks(_, _ string) (certificate, key []byte, err error) {
	return nil, nil, acme.ErrAbsent
}
