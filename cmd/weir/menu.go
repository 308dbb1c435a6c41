package main

import (
	"net/http"

	"github.com/weir-ml/weir/platform/gateway"
	"github.com/weir-ml/weir/platform/routes"
)

// menuRoute tells those who are signed in which hardware a site has on its menu,
// for forms.
func menuRoute(now *reread) gateway.Route {
	return gateway.Route{
		Owner: "weir", Pattern: "GET /weir/hardware", Rule: routes.SignedIn,
		Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			menu := now.settings().Run.Hardware
			if menu == nil {
				menu = map[string]hardware{}
			}
			routes.Respond(w, http.StatusOK, map[string]any{"hardware": menu})
		}),
	}
}
