// Package http01 has what Traefik's own HTTP challenge needs.
package http01

import "time"

// PathPrefix is where servers look (RFC 8555, 8.3).
const PathPrefix = "/.well-known/acme-challenge/"

// ChallengeOption is an option of the challenge.
type ChallengeOption func() error

// SetDelay is no option.
func SetDelay(time.Duration) ChallengeOption { return func() error { return nil } }
