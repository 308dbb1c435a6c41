package node

import (
	"sync/atomic"
	"testing"
	"time"
)

// After one change the kubelet is asked to look again and again, and then left
// in peace; a change meanwhile begins anew.
func TestRelister(t *testing.T) {
	NewRelister().Changed("pod") // nobody to ask yet, which does no harm
	r := NewRelister()
	var asked atomic.Int64
	r.mu.Lock()
	r.request = func(string) { asked.Add(1) }
	r.mu.Unlock()
	r.Changed("pod")
	settled := func() bool {
		r.mu.Lock()
		defer r.mu.Unlock()
		_, armed := r.pending["pod"]
		return !armed
	}
	for deadline := time.Now().Add(10 * time.Second); !settled(); {
		if time.Now().After(deadline) {
			t.Fatalf("not left in peace after %d looks", asked.Load())
		}
		<-time.After(time.Millisecond)
	}
	if got, want := asked.Load(), int64(1+len(afterChange)); got != want {
		t.Errorf("asked %d times, want %d", got, want)
	}
}
