// Package auth stands in for basic and digest authentication: in this build both refuse everybody.
package auth

import "net/http"

func refuse(w http.ResponseWriter) {
	http.Error(w, "this Traefik was built without basic and digest authentication",
		http.StatusUnauthorized)
}

// CheckSecret refuses.
func CheckSecret(_, _ string) bool { return false }

// BasicAuth refuses.
type BasicAuth struct {
	Realm   string
	Secrets func(user, realm string) string
}

// RequireAuth answers 401.
func (*BasicAuth) RequireAuth(w http.ResponseWriter, _ *http.Request) { refuse(w) }

// DigestAuth refuses.
type DigestAuth struct{}

// NewDigestAuthenticator makes a DigestAuth.
func NewDigestAuthenticator(string, func(user, realm string) string) *DigestAuth {
	return &DigestAuth{}
}

// CheckAuth finds nobody.
func (*DigestAuth) CheckAuth(*http.Request) (string, *string) { return "", nil }

// RequireAuth answers 401.
func (*DigestAuth) RequireAuth(w http.ResponseWriter, _ *http.Request) { refuse(w) }

// RequireAuthStale answers 401.
func (*DigestAuth) RequireAuthStale(w http.ResponseWriter, _ *http.Request) { refuse(w) }

// DigestAuthParams knows none.
func DigestAuthParams(string) map[string]string { return nil }
