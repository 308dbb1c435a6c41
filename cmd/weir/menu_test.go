package main

import (
	"net/http/httptest"
	"os"
	"testing"
)

// What weir.yaml says is on the menu at once, also what it says later.
func TestMenu(t *testing.T) {
	dir := t.TempDir()
	s, err := readSettings(dir)
	if err != nil {
		t.Fatal(err)
	}
	route := menuRoute(newReread(dir, s))
	for _, c := range []struct{ yaml, want string }{
		{"", `{"hardware":{}}`},
		{"run:\n  hardware:\n    large: {cpu: \"8\", memory: 32Gi, gpu: 1}\n", `{"hardware":{"large":{"cpu":"8","memory":"32Gi","gpu":1}}}`},
	} {
		if err := os.WriteFile(settingsFile(dir), []byte(c.yaml), 0o600); err != nil {
			t.Fatal(err)
		}
		w := httptest.NewRecorder()
		route.Handler.ServeHTTP(w, httptest.NewRequest("GET", "/weir/hardware", nil))
		if got := w.Body.String(); got != c.want+"\n" && got != c.want {
			t.Errorf("with %q the menu is %s, want %s", c.yaml, got, c.want)
		}
	}
}
