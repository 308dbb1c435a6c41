package gateway_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/weir-ml/weir/cluster/clustertest"
	"github.com/weir-ml/weir/platform/gateway"
	"github.com/weir-ml/weir/platform/routes"
)

// few are limits that a test soon reaches.
var few = gateway.RequestLimits{PerSecond: 1, Burst: 20}

// floods asks as somebody until that is too much, and returns the answer.
func (d *door) floods(t *testing.T, who person) answer {
	t.Helper()
	var a answer
	clustertest.Until(t, "requests are too many", func() bool {
		a = d.ask(t, who, "GET", "/version", "")
		return a.code == http.StatusTooManyRequests
	})
	return a
}

// Who floods the door is sent away, however they sign in, and nobody else is. What
// lasts counts once.
func TestRequestLimits(t *testing.T) {
	d := newDoor(t)
	d.people(t)
	d.with(t, gateway.Route{Owner: "weir", Pattern: "POST /lasts", Rule: routes.SignedIn, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		for i := range 100 {
			fmt.Fprintln(w, i)
			_ = http.NewResponseController(w).Flush()
		}
	})})
	d.limits.Store(&few)
	ten := func(who person, path string) {
		t.Helper()
		for i := range 10 {
			if a := d.ask(t, who, "GET", path, ""); a.code != http.StatusOK {
				t.Fatalf("request %d of %q is answered %d %s, want 200", i, who.name, a.code, a.body)
			}
		}
	}

	viewer := d.signIn(t, "viewer")
	a := d.floods(t, viewer)
	if got, want := a.header.Get("Retry-After"), "1"; got != want {
		t.Errorf("Retry-After %q, want %q", got, want)
	}
	if !strings.Contains(a.body, "viewer sends more than 1 requests a second") || !strings.Contains(a.body, `"reason":"TooManyRequests"`) {
		t.Errorf("the answer says %s", a.body)
	}
	if again := d.floods(t, d.withToken(t, "viewer")); !strings.Contains(again.body, "viewer sends") {
		t.Errorf("by a token the answer says %s", again.body)
	}
	ten(d.signIn(t, "stranger"), "/session")

	ten(person{}, "/sign-in/ways")
	if a := d.floods(t, person{}); !strings.Contains(a.body, "who is not signed in at 127.0.0.1 sends") {
		t.Errorf("no one is told %s", a.body)
	}
	editor := d.signIn(t, "editor")
	if a := d.ask(t, editor, "POST", "/lasts", strings.Repeat("x", 10<<20)); a.code != http.StatusOK || !strings.Contains(a.body, "99") {
		t.Errorf("what lasts is answered %d %s", a.code, a.body)
	}
	ten(editor, "/session")
}

// People's requests to S3 are counted too, for each address that uses their access
// key, which others may know. What pods read is not.
func TestKeysOfS3AreCounted(t *testing.T) {
	d := newDoor(t)
	d.people(t)
	editor, admin := d.keysOf(t, d.signIn(t, "editor"), theirs), d.keysOf(t, d.signIn(t, "admin"), theirs)
	pods := d.keysOfPods(t, theirs)
	list := func(k s3Keys, options ...func(*awss3.Options)) error {
		_, err := k.client(d.url).ListObjectsV2(t.Context(), &awss3.ListObjectsV2Input{Bucket: aws.String(theirs + "-data")}, options...)
		return err
	}
	d.limits.Store(&few)

	floods := func(what string, k s3Keys, options ...func(*awss3.Options)) {
		t.Helper()
		clustertest.Until(t, what, func() bool { return codeOf(list(k, options...)) == "SlowDown" })
	}
	floods("the editor's are too many", editor)
	if err := list(admin); err != nil {
		t.Errorf("the admin's keys while the editor floods: %v", err)
	}

	guessed := admin
	guessed.SecretKey = "not the admin's"
	elsewhere := &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, network, to string) (net.Conn, error) {
		from := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 2)}}
		return from.DialContext(ctx, network, to)
	}}}
	floods("those of another address are too many", guessed, func(o *awss3.Options) { o.HTTPClient = elsewhere })
	if err := list(admin); err != nil {
		t.Errorf("the admin's keys while another address floods with them: %v", err)
	}
	for range 2 * few.Burst {
		if err := list(pods); err != nil {
			t.Fatalf("what pods read: %v", err)
		}
	}
}
