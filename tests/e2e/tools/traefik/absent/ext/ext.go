// Package ext stands in for the place where builds of Traefik may add fields to its dynamic
// configuration; the published one adds none, and its module leaves the package out.
package ext

// HTTP is embedded in the HTTP configuration.
type HTTP struct{}

// Router is embedded in each HTTP router.
type Router struct{}
