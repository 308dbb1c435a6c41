package gateway

import (
	"fmt"
	"math"
	"net/http"
	"strconv"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/weir-ml/weir/platform/routes"
)

// How many wrong passwords there may be at once, and how soon there may be one
// more: for a name from one address, for an address, and for a name from
// everywhere. The last is wide, so that nobody can lock another out by guessing.
var limits = map[string]struct {
	burst int
	every time.Duration
}{
	"both":    {5, 15 * time.Second},
	"address": {20, 5 * time.Second},
	"name":    {60, 5 * time.Second},
}

// maxCounted is how many names and addresses are counted. Beyond it those go
// that have rested.
const maxCounted = 20000

// attempts are passwords that were tried.
type attempts struct {
	mu    sync.Mutex
	count map[string]*rate.Limiter
	now   func() time.Time
}

func newAttempts() *attempts { return &attempts{count: map[string]*rate.Limiter{}, now: time.Now} }

// take counts an attempt, and returns how long to wait first if there were too
// many.
func (a *attempts) take(name, address string) time.Duration {
	a.mu.Lock()
	defer a.mu.Unlock()
	now := a.now()
	var taken []*rate.Reservation
	var wait time.Duration
	for _, key := range []string{"both", "address", "name"} {
		r := a.limiter(key, name, address, now).ReserveN(now, 1)
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
	delete(a.count, keyOf("both", name, address))
}

func keyOf(kind, name, address string) string {
	switch kind {
	case "address":
		name = ""
	case "name":
		address = ""
	}
	return kind + "\x00" + name + "\x00" + address
}

func (a *attempts) limiter(kind, name, address string, now time.Time) *rate.Limiter {
	key := keyOf(kind, name, address)
	if l := a.count[key]; l != nil {
		return l
	}
	if len(a.count) >= maxCounted {
		for k, l := range a.count {
			if l.TokensAt(now) >= float64(l.Burst()) {
				delete(a.count, k)
			}
		}
	}
	l := rate.NewLimiter(rate.Every(limits[kind].every), limits[kind].burst)
	a.count[key] = l
	return l
}

// tooMany says to come back later.
func tooMany(w http.ResponseWriter, wait time.Duration) {
	seconds := int(math.Ceil(wait.Seconds()))
	w.Header().Set("Retry-After", strconv.Itoa(seconds))
	routes.Refuse(w, http.StatusTooManyRequests, fmt.Sprintf("too many passwords were tried; wait %d seconds", seconds))
}
