// Package dns01 has the options of the DNS challenge, none of which does anything.
package dns01

import (
	"strings"
	"time"
)

// Options of a Client.
type Options struct {
	RecursiveNameservers []string
}

// Client would look names up.
type Client struct{}

// NewClient makes a Client.
func NewClient(*Options) *Client { return &Client{} }

// SetDefaultClient ignores it.
func SetDefaultClient(*Client) {}

// ChallengeOption is an option of the challenge.
type ChallengeOption func() error

func none() error { return nil }

// CondOptions is no option.
func CondOptions(bool, ...ChallengeOption) ChallengeOption { return none }

// DisableAuthoritativeNssPropagationRequirement is no option.
func DisableAuthoritativeNssPropagationRequirement() ChallengeOption { return none }

// DisableRecursiveNSsPropagationRequirement is no option.
func DisableRecursiveNSsPropagationRequirement() ChallengeOption { return none }

// PropagationWait is no option.
func PropagationWait(time.Duration, bool) ChallengeOption { return none }

// UnFqdn takes the dot off the end of a name.
func UnFqdn(name string) string { return strings.TrimSuffix(name, ".") }
