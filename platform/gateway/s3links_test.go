package gateway_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/weir-ml/weir/cluster/clustertest"
)

// linkTo is a link that somebody makes to a file.
func (d *door) linkTo(t *testing.T, who person, path string) string {
	t.Helper()
	a := d.ask(t, who, "POST", "/weir/s3-links/"+path, "")
	var link struct {
		URL     string
		Expires time.Time
	}
	if err := json.Unmarshal([]byte(a.body), &link); err != nil || a.code != http.StatusOK || link.URL == "" || time.Until(link.Expires) < 0 {
		t.Fatalf("a link to %s by %s: %d %s", path, who.name, a.code, a.body)
	}
	return link.URL
}

// open is what nobody gets by a link.
func (d *door) open(t *testing.T, method, link string) answer {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, link, nil)
	if err != nil {
		t.Fatal(err)
	}
	return d.send(t, person{}, r)
}

// A link shows one file to anyone, and nothing else.
func TestLinksToFiles(t *testing.T) {
	d := newDoor(t)
	d.people(t)
	owner, viewer := d.signIn(t, "owner"), d.signIn(t, "viewer")
	for path, text := range map[string]string{"team-data/a%20b+%C3%BC%23.txt": "of the team", "other-data/there": "of others"} {
		if a := d.ask(t, owner, "PUT", "/weir/s3/"+path, text); a.code != http.StatusOK {
			t.Fatalf("put %s: %d %s", path, a.code, a.body)
		}
	}
	link := d.linkTo(t, viewer, "team-data/a%20b+%C3%BC%23.txt?expires=600")
	if a := d.open(t, "GET", link); a.code != http.StatusOK || a.body != "of the team" {
		t.Fatalf("the link shows %d %s", a.code, a.body)
	}
	for name, c := range map[string]struct{ method, link string }{
		"Write":       {"PUT", link},
		"Delete":      {"DELETE", link},
		"OtherFile":   {"GET", strings.Replace(link, "a%20b%2B%C3%BC%23.txt", "there", 1)},
		"OtherBucket": {"GET", strings.Replace(link, "/team-data/", "/other-data/", 1)},
		"Longer":      {"GET", strings.Replace(link, "X-Amz-Expires=600", "X-Amz-Expires=6000", 1)},
	} {
		if c.link == link && c.method == "GET" {
			t.Fatalf("%s: the link was not changed: %s", name, link)
		}
		if a := d.open(t, c.method, c.link); a.code != http.StatusForbidden {
			t.Errorf("%s: %d %s, want it refused", name, a.code, a.body)
		}
	}
	for path, want := range map[string]int{
		"team-data/": 400, "team-data/there/": 400, "team-data/there?expires=0": 400, "team-data/there?expires=604801": 400, "team-data/there?expires=soon": 400,
	} {
		if a := d.ask(t, owner, "POST", "/weir/s3-links/"+path, ""); a.code != want {
			t.Errorf("a link to %s: %d %s, want %d", path, a.code, a.body, want)
		}
	}
	if a := d.ask(t, d.withToken(t, "editor", "read"), "POST", "/weir/s3-links/team-data/there", ""); a.code != http.StatusForbidden {
		t.Errorf("a token that is good for some things only makes a link: %d %s", a.code, a.body)
	}
	if a := d.open(t, "GET", d.linkTo(t, owner, "other-data/there")); a.body != "of others" {
		t.Errorf("the owner's link to others' file shows %d %s", a.code, a.body)
	}
	if log := d.audit.String(); !strings.Contains(log, `"link to a file made","user":"viewer","path":"/team-data/a b+ü#.txt","seconds":600`) || strings.Contains(log, "X-Amz-Signature") {
		t.Errorf("the audit says:\n%s", log)
	}
}

// A link ends with its time, with its maker's keys and with their role.
func TestLinksEnd(t *testing.T) {
	d := newDoor(t)
	d.people(t)
	link := d.linkTo(t, d.signIn(t, "editor"), "team-data/there?expires=1")
	clustertest.Until(t, "the link has expired", func() bool { return d.open(t, "GET", link).code == http.StatusForbidden })

	d.user(t, "leaves")
	_, err := d.core.RbacV1().RoleBindings(theirs).Create(t.Context(), &rbacv1.RoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: "leaves"},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "view"},
		Subjects:   []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.UserKind, Name: "leaves"}},
	}, metav1.CreateOptions{})
	there(t, err)
	who := d.signIn(t, "leaves")
	clustertest.Until(t, "the user may make links", func() bool { return d.ask(t, who, "POST", "/weir/s3-links/team-data/there", "").code == http.StatusOK })
	link = d.linkTo(t, who, "team-data/there")
	clustertest.Until(t, "the link is good", func() bool { return d.open(t, "GET", link).code == http.StatusOK })
	if err := d.core.RbacV1().RoleBindings(theirs).Delete(t.Context(), "leaves", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	clustertest.Until(t, "the link has gone with the role", func() bool { return d.open(t, "GET", link).code == http.StatusForbidden })

	editor := d.signIn(t, "editor")
	link = d.linkTo(t, editor, "team-data/there")
	if a := d.ask(t, editor, "DELETE", "/weir/s3-keys/"+theirs, ""); a.code != http.StatusNoContent {
		t.Fatalf("take back: %d %s", a.code, a.body)
	}
	clustertest.Until(t, "the link has gone with the keys", func() bool { return d.open(t, "GET", link).code == http.StatusForbidden })
}
