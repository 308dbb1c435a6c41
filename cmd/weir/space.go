package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"path/filepath"
	"sync"
	"time"

	authorization "k8s.io/api/authorization/v1"

	"golang.org/x/sys/unix"

	"github.com/weir-ml/weir/cluster"
	"github.com/weir-ml/weir/kit/environment"
	"github.com/weir-ml/weir/platform/gateway"
	"github.com/weir-ml/weir/platform/routes"
)

// machineRoutes tell those who may list nodes how much of the machine is used: of
// its disk, and what the node used over the last hour.
func machineRoutes(k *cluster.Cluster, dir string) []gateway.Route {
	nodes := routes.May(func(*http.Request) authorization.SubjectAccessReviewSpec {
		return authorization.SubjectAccessReviewSpec{ResourceAttributes: &authorization.ResourceAttributes{Verb: "list", Resource: "nodes"}}
	})
	disk := &space{dir: dir}
	return []gateway.Route{
		{Owner: "weir", Pattern: "GET /weir/machine/space", Rule: nodes, Handler: http.HandlerFunc(disk.show)},
		{Owner: "weir", Pattern: "GET /weir/machine/hour", Rule: nodes, Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			routes.Respond(w, http.StatusOK, map[string]any{"items": k.History.Points()})
		})},
	}
}

// A spaceAnswer is how full the disk of weir's folder is, and what of it is weir's.
type spaceAnswer struct {
	Size  uint64       `json:"size"`
	Free  uint64       `json:"free"` // to weir
	Parts []spaceOfOne `json:"parts"`
}

type spaceOfOne struct {
	Name  string `json:"name"`
	Bytes int64  `json:"bytes"`
	// Partial says that there is more, which would take long to count.
	Partial bool `json:"partial,omitempty"`
}

const (
	// spaceFresh is how old what was counted may be, and spacePatience how long each
	// part is counted.
	spaceFresh    = time.Minute
	spacePatience = time.Second
)

// A space counts what weir's folder takes, when somebody asks.
type space struct {
	dir string

	mu   sync.Mutex
	at   time.Time
	last spaceAnswer
}

func (s *space) show(w http.ResponseWriter, r *http.Request) {
	a, err := s.count(r.Context())
	if err != nil {
		routes.Fail(w, err)
		return
	}
	routes.Respond(w, http.StatusOK, a)
}

func (s *space) count(ctx context.Context) (spaceAnswer, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if time.Since(s.at) < spaceFresh {
		return s.last, nil
	}
	var disk unix.Statfs_t
	if err := unix.Statfs(s.dir, &disk); err != nil {
		return spaceAnswer{}, fmt.Errorf("look how full the disk of %s is: %w", s.dir, err)
	}
	a := spaceAnswer{Size: disk.Blocks * uint64(disk.Bsize), Free: disk.Bavail * uint64(disk.Bsize)}
	for _, part := range []struct{ name, folder string }{
		{"Buckets", filepath.Join(s.dir, "s3")}, {"Volumes", filepath.Join(s.dir, "volumes")},
		{"Images", imagesDir(s.dir)}, {"Environments", environmentsDir(s.dir)},
	} {
		until := time.Now().Add(spacePatience)
		bytes, _, err := environment.TakenBy(part.folder, func() error {
			if time.Now().After(until) {
				return errLater
			}
			return ctx.Err()
		})
		if ctx.Err() != nil {
			return spaceAnswer{}, ctx.Err()
		}
		a.Parts = append(a.Parts, spaceOfOne{part.name, bytes, err != nil})
	}
	s.at, s.last = time.Now(), a
	return a, nil
}

// errLater says that counting was given up.
var errLater = errors.New("it takes too long")
