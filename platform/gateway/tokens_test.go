package gateway_test

import (
	"testing"
	"time"

	"github.com/weir-ml/weir/platform/gateway"
)

// A token lasts for a time, or to the end of a day.
func TestLasting(t *testing.T) {
	now := time.Date(2027, 1, 30, 18, 0, 0, 0, time.UTC)
	for text, want := range map[string]time.Duration{
		"": 720 * time.Hour, "0": 0, "12h": 12 * time.Hour, "30d": 720 * time.Hour, "2027-01-30": 6 * time.Hour, "2027-02-01": 54 * time.Hour,
		"2027-01-29": -1, "2227-01-29": -1, "2027-02-30": -1, "-1h": -1, "0d": -1, "3dd": -1, "3d5": -1, "soon": -1, "40000d": -1,
	} {
		got, err := gateway.Lasting(text, now)
		if err != nil {
			got = -1
		}
		if got != want {
			t.Errorf("%q: %s, %v, want %s", text, got, err, want)
		}
	}
}
