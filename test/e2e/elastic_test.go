package e2e_test

import (
	"testing"
	"time"
)

// An elastic job of a README, which is told to grow at once.
func elastic(t *testing.T) {
	needsFull(t)
	s := shared.byDefault(t)
	s.follow("pytorch-elastic")
	s.becomes("pytorchjob/elastic-digits", "Succeeded", time.Minute)
	s.hasLearnt(s.must("logs", "pytorchjob/elastic-digits"))
}
