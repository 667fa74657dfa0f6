// Package certificate would obtain certificates and obtains none.
package certificate

import (
	"context"

	"github.com/go-acme/lego/v5/acme"
	"github.com/go-acme/lego/v5/certcrypto"
)

// ObtainRequest asks for a certificate.
type ObtainRequest struct {
	Domains          []string
	EmailAddresses   []string
	Bundle           bool
	EnableCommonName bool
	Profile          string
	PreferredChain   string
	KeyType          certcrypto.KeyType
}

// RenewOptions asks for a certificate's successor.
type RenewOptions struct {
	EmailAddresses   []string
	Bundle           bool
	EnableCommonName bool
	Profile          string
	PreferredChain   string
}

// Resource is a certificate with its key.
type Resource struct {
	ID          string
	Domains     []string
	PrivateKey  []byte
	Certificate []byte
}

// Certifier refuses.
type Certifier struct{}

// Obtain refuses.
func (*Certifier) Obtain(context.Context, ObtainRequest) (*Resource, error) {
	return nil, acme.ErrAbsent
}

// Renew refuses.
func (*Certifier) Renew(context.Context, Resource, *RenewOptions) (*Resource, error) {
	return nil, acme.ErrAbsent
}
