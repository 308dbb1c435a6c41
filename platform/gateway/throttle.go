package gateway

import (
	"cmp"
	"fmt"
	"net/http"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// RequestLimits are how many requests each person may send: so many a second, and
// so many at once after a rest. A watch, a shell and an upload are one each. Who is
// no one shares those of their address.
type RequestLimits struct {
	PerSecond int `json:"perSecond,omitempty"` // 1000 if zero
	Burst     int `json:"burst,omitempty"`     // 5 times PerSecond if zero
}

// Check says what is wrong, by the field.
func (l RequestLimits) Check() error {
	if l.PerSecond < 0 {
		return &FieldError{"perSecond", fmt.Errorf("%d is less than nothing: say how many requests a person may send in a second, as 1000", l.PerSecond)}
	}
	if l.Burst < 0 {
		return &FieldError{"burst", fmt.Errorf("%d is less than nothing: say how many requests a person may send at once, as 5000", l.Burst)}
	}
	return nil
}

func (l RequestLimits) perSecond() int { return cmp.Or(l.PerSecond, 1000) }

func (l RequestLimits) burst() int { return cmp.Or(l.Burst, 5*l.perSecond()) }

// A throttle counts requests, so that who floods the door is sent away before it
// costs others their turn.
type throttle struct {
	settings func() RequestLimits
	now      func() time.Time
	mu       sync.Mutex
	count    limiters
	by       RequestLimits // what they are counted by; they begin anew when it changes
	asked    time.Time     // when it was last asked for, which may read a file
}

func newThrottle(settings func() RequestLimits) *throttle {
	if settings == nil {
		settings = func() RequestLimits { return RequestLimits{} }
	}
	return &throttle{settings: settings, now: time.Now, count: limiters{}}
}

// take counts a request, and says why it is one too many, and how long to wait.
func (t *throttle) take(p party) (wait time.Duration, why string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := t.now()
	if now.Sub(t.asked) > time.Second {
		t.asked = now
		if by := t.settings(); by != t.by {
			t.by = by
			clear(t.count)
		}
	}
	l := t.count.of(p, now, rate.Limit(t.by.perSecond()), t.by.burst())
	if l.AllowN(now, 1) {
		return 0, ""
	}
	who := p.name
	if p.name == "" {
		who = "who is not signed in at " + p.address
	}
	wait = time.Duration((1 - l.TokensAt(now)) / float64(l.Limit()) * float64(time.Second))
	return max(wait, 1), fmt.Sprintf("%s sends more than %d requests a second, which is what frontDoor.limits allows each; wait a second, and ask less often or watch instead", who, t.by.perSecond())
}

// tooFast refuses a request that is one too many.
func (g *Gateway) tooFast(w http.ResponseWriter, p party, refuse func(int, string)) bool {
	wait, why := g.throttle.take(p)
	if wait == 0 {
		return false
	}
	later(w, wait)
	refuse(http.StatusTooManyRequests, why)
	return true
}
