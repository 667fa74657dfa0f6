// Package acme has the types of an ACME account, as far as Traefik names them.
package acme

import "errors"

// ErrAbsent is what everything says that would need an ACME server.
var ErrAbsent = errors.New("this Traefik was built without ACME")

// Account is the account at the server.
type Account struct{}

// ExtendedAccount is an account and its address.
type ExtendedAccount struct {
	Account

	Location string
}
