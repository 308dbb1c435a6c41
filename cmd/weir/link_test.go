package main

import (
	"strings"
	"testing"
)

func TestWhereALinkLeads(t *testing.T) {
	for name, c := range map[string]struct{ at, kubeconfig, want, err string }{
		"Said":     {at: "https://weir.example.com/", kubeconfig: "k", want: "https://weir.example.com"},
		"Port":     {at: "http://127.0.0.1:8443", want: "http://127.0.0.1:8443"},
		"NoScheme": {at: "weir.example.com", err: `--at "weir.example.com"`},
		"Path":     {at: "https://weir.example.com/pages", err: "scheme and host"},
		"Missing":  {kubeconfig: "k", err: "--at is missing"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := (&folder{kubeconfig: c.kubeconfig}).doorAt(c.at)
			if c.err != "" {
				if err == nil || !strings.Contains(err.Error(), c.err) {
					t.Errorf("the error is %v, want %q in it", err, c.err)
				}
				return
			}
			if err != nil || got != c.want {
				t.Errorf("it is %q, %v, want %q", got, err, c.want)
			}
		})
	}
}
