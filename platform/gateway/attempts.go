package gateway

import (
	"cmp"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/weir-ml/weir/platform/routes"
)

// attempts are passwords that were tried.
type attempts struct {
	mu    sync.Mutex
	count limiters
	by    Limits // what they are counted by; they begin anew when it changes
	now   func() time.Time
}

func newAttempts() *attempts { return &attempts{count: limiters{}, now: time.Now} }

// take counts an attempt, and returns how long to wait first if there were too
// many. How a name is written makes no other name of it.
func (a *attempts) take(by Limits, name, address string) time.Duration {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.by != by {
		a.by = by
		clear(a.count)
	}
	now := a.now()
	var taken []*rate.Reservation
	var wait time.Duration
	for _, kind := range []string{"both", "address", "name"} {
		r := a.limiter(kind, name, address, now).ReserveN(now, 1)
		taken = append(taken, r)
		wait = max(wait, r.DelayFrom(now))
	}
	if wait > 0 {
		for _, r := range taken {
			r.CancelAt(now)
		}
	}
	return wait
}

// forgive forgets the attempts of who has the right password after all.
func (a *attempts) forgive(name, address string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.count, partyOf("both", name, address))
}

func partyOf(kind, name, address string) party {
	switch kind {
	case "address":
		name = ""
	case "name":
		address = ""
	}
	return party{kind, strings.ToLower(name), address}
}

func (a *attempts) limiter(kind, name, address string, now time.Time) *rate.Limiter {
	burst, every := cmp.Or(a.by.Passwords, 5), cmp.Or(a.by.Every.Duration, 15*time.Second)
	switch kind {
	case "address":
		burst, every = 4*burst, every/3
	case "name":
		burst, every = 12*burst, every/3
	}
	return a.count.of(partyOf(kind, name, address), now, rate.Every(every), burst)
}

// tooMany says to come back later.
func tooMany(w http.ResponseWriter, wait time.Duration) {
	routes.Refuse(w, http.StatusTooManyRequests, fmt.Sprintf("too many passwords were tried; wait %d seconds", later(w, wait)))
}
