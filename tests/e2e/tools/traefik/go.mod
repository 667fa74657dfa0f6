// The Traefik that the end-to-end suite runs; ./build compiles it. A module's replace lines hold
// only in the main module, so Traefik's own are repeated here, but for what ./absent stands in for.
module sigpost/tests/traefik

go 1.26.0

require github.com/traefik/traefik/v3 v3.7.13

replace (
	github.com/abbot/go-http-auth => ./absent/http-auth
	github.com/go-acme/lego/v5 => ./absent/lego
	github.com/gorilla/mux => github.com/containous/mux v0.0.0-20250523120546-41b6ec3aed59
	github.com/traefik/traefik/dynamic/ext => ./absent/ext
)

exclude github.com/tencentcloud/tencentcloud-sdk-go v3.0.83+incompatible
