package tensorboard

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/weir-ml/weir/kit/measure"
	"github.com/weir-ml/weir/platform/routes"
)

// longestFile is how much of an event file is read.
const longestFile = 32 << 20

type scalarsAnswer struct {
	Series []scalarsSeries `json:"series"`
	// Damage says why not all of the file was read.
	Damage string `json:"damage,omitempty"`
}

type scalarsSeries struct {
	Name   string         `json:"name"`
	Points []scalarsPoint `json:"points"`
}

type scalarsPoint struct {
	Step  int64     `json:"step"`
	Time  time.Time `json:"time"`
	Value any       `json:"value"` // a word for what is no number
}

// ScalarsRoute reads the scalars in an event file, which is sent to it:
//
//	POST /weir/scalars
//
// It is for whoever is signed in: they have the file already.
func ScalarsRoute() routes.Route {
	return routes.Route{
		Owner: "weir", Pattern: "POST /weir/scalars", Rule: routes.SignedIn,
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			data, err := io.ReadAll(http.MaxBytesReader(w, r.Body, longestFile))
			if tooLong := (*http.MaxBytesError)(nil); errors.As(err, &tooLong) {
				routes.Refuse(w, http.StatusRequestEntityTooLarge, fmt.Sprintf("send at most %d MiB of an event file", longestFile>>20))
				return
			}
			if err != nil {
				routes.Refuse(w, http.StatusBadRequest, err.Error())
				return
			}
			routes.Respond(w, http.StatusOK, scalarsIn(data))
		}),
	}
}

// scalarsIn are the scalars in a file, in the order of their names. Of each, so
// many points are kept as a curve needs.
func scalarsIn(data []byte) scalarsAnswer {
	a := scalarsAnswer{Series: []scalarsSeries{}}
	samples, err := new(measure.EventReader).Read(data)
	if err != nil {
		a.Damage = err.Error()
	}
	all := map[string]*measure.Series{}
	for _, s := range samples {
		if all[s.Name] == nil {
			all[s.Name] = &measure.Series{}
		}
		all[s.Name].Add(s.Point)
	}
	for name, series := range all {
		one := scalarsSeries{Name: name}
		for _, p := range series.Points() {
			at := scalarsPoint{p.Step, p.Time.UTC(), p.Value}
			if math.IsNaN(p.Value) || math.IsInf(p.Value, 0) {
				at.Value = strconv.FormatFloat(p.Value, 'g', -1, 64)
			}
			one.Points = append(one.Points, at)
		}
		a.Series = append(a.Series, one)
	}
	slices.SortFunc(a.Series, func(x, y scalarsSeries) int { return cmp.Compare(x.Name, y.Name) })
	return a
}
