package signing

import "testing"

func TestVector(t *testing.T) {
	const want = "bde7cfa92ee08bded36169b4c6fc477126bfd32bace9e50919a5c552650ff56e"
	if got := Sign(" super-secret\n", "/v1/metrics", "1712345678", "session-123"); got != want {
		t.Fatalf("got %s, want %s", got, want)
	}
}

func TestRefusesWhatTheGatewayWouldRefuse(t *testing.T) {
	for _, who := range []Who{{Secret: " \n"}, {Secret: "s", SessionID: "a|b"}, {Secret: "s", SessionID: "a\n"}} {
		if _, err := Client(who); err == nil {
			t.Errorf("%+v was taken", who)
		}
	}
}
