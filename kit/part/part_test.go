package part_test

import (
	"context"
	"errors"
	"runtime/pprof"
	"strings"
	"testing"

	"github.com/weir-ml/weir/kit/part"
)

// What comes of a part's start is of the part, and who started it is not.
func TestStart(t *testing.T) {
	end := make(chan struct{})
	began := make(chan struct{})
	why := errors.New("why not")
	started, err := part.Start(t.Context(), "tested", func(context.Context) (string, error) {
		go func() {
			close(began)
			<-end
		}()
		return "it", why
	})
	if started != "it" || !errors.Is(err, why) {
		t.Errorf("it returns %q and %v", started, err)
	}
	<-began
	if n := ofPart(t, "tested"); n != 1 {
		t.Errorf("%d goroutines are of the part, want the one that its start began", n)
	}
	close(end)
}

// Who enters a part is of it from there on, and not of that which it was of.
func TestEnter(t *testing.T) {
	end := make(chan struct{})
	began := make(chan struct{})
	_, _ = part.Start(t.Context(), "left", func(ctx context.Context) (any, error) {
		go func() {
			part.Enter(ctx, "entered")
			close(began)
			<-end
		}()
		return nil, nil
	})
	<-began
	if left, entered := ofPart(t, "left"), ofPart(t, "entered"); left != 0 || entered != 1 {
		t.Errorf("%d goroutines are of the part that was left, and %d of that which was entered", left, entered)
	}
	close(end)
}

// ofPart counts the goroutines of a part.
func ofPart(t *testing.T, name string) int {
	t.Helper()
	var all strings.Builder
	if err := pprof.Lookup("goroutine").WriteTo(&all, 1); err != nil {
		t.Fatal(err)
	}
	return strings.Count(all.String(), `"part":"`+name+`"`)
}
