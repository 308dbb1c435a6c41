package cri

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestSources(t *testing.T) {
	dir := t.TempDir()
	kubelet, open, fixed, private := filepath.Join(dir, "kubelet"), filepath.Join(dir, "open"), filepath.Join(dir, "fixed"), filepath.Join(dir, "private")
	for _, d := range []string{kubelet + "/pods/mine/volumes/v", kubelet + "/pods/other/volumes/v", kubelet + "/pods/mine2", open + "/in", fixed, private} {
		must(t, os.MkdirAll(d, 0o755))
	}
	must(t, os.WriteFile(private+"/key", []byte("secret"), 0o600))
	must(t, os.Symlink(private, open+"/out"))
	must(t, os.Symlink("../private/key", open+"/key"))
	must(t, os.Symlink("in", open+"/alias"))
	must(t, os.Symlink("/proc/self/root/etc", open+"/magic"))
	must(t, os.Symlink("../../../other/volumes/v", kubelet+"/pods/mine/volumes/steal"))
	must(t, os.Symlink(open, dir+"/link-to-open"))

	s, err := openShares(kubelet, []Share{{Path: dir + "/link-to-open"}, {Path: fixed, ReadOnly: true}, {Path: private + "/key", ReadOnly: true, Optional: true}})
	must(t, err)
	defer s.close()

	cases := map[string]struct {
		why, path string
		want      string
		readOnly  bool
		optional  bool
		problem   string
	}{
		"Shared":          {why: "A shared folder may be mounted under the name it was shared by.", path: dir + "/link-to-open", want: open},
		"Real":            {why: "And under its real name.", path: open + "/in", want: open + "/in"},
		"LinkInside":      {why: "A link that stays inside may be followed.", path: open + "/alias", want: open + "/in"},
		"Made":            {why: "What is missing in a writable share is made.", path: open + "/new/deep", want: open + "/new/deep"},
		"ReadOnly":        {why: "A read-only share stays so.", path: fixed, want: fixed, readOnly: true},
		"File":            {why: "A single file may be shared.", path: private + "/key", want: private + "/key", readOnly: true, optional: true},
		"NotMade":         {why: "Nothing is made in a read-only share.", path: fixed + "/new", problem: "no such file or folder"},
		"OwnVolume":       {why: "A pod's volumes lie in its folder.", path: kubelet + "/pods/mine/volumes/v", want: kubelet + "/pods/mine/volumes/v"},
		"OtherVolume":     {why: "Another pod's are not its business.", path: kubelet + "/pods/other/volumes/v", problem: "weir up --share " + kubelet},
		"Prefix":          {why: "A uid that begins the same is another pod.", path: kubelet + "/pods/mine2", problem: "weir up --share"},
		"DotDot":          {why: "A path is what it means.", path: kubelet + "/pods/mine/../other/volumes/v", problem: "weir up --share"},
		"StolenVolume":    {why: "A link out of a pod's folder is not followed.", path: kubelet + "/pods/mine/volumes/steal", problem: "leads out of"},
		"LinkOut":         {why: "Nor one out of a share.", path: open + "/out", problem: "leads out of"},
		"FileOut":         {why: "Nor to a file.", path: open + "/key", problem: "leads out of"},
		"ThroughLinkOut":  {why: "Nor on the way.", path: open + "/out/key", problem: "leads out of"},
		"Magic":           {why: "Nor through /proc.", path: open + "/magic", problem: "leads out of"},
		"Private":         {why: "What is not shared is refused, with what to do.", path: private, problem: "weir up --share " + private},
		"Root":            {why: "So is everything at once.", path: "/", problem: "weir up --share /"},
		"SharedAsAPrefix": {why: "A name that begins like a share is another folder.", path: open + "er", problem: "weir up --share"},
		"Relative":        {why: "A relative path means nothing here.", path: "etc", problem: "not an absolute path"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			got, err := s.source("mine", tc.path)
			if tc.problem != "" {
				if err == nil || !strings.Contains(err.Error(), tc.problem) {
					t.Errorf("%s\ngot %+v and error %v, want one that says %q", tc.why, got, err, tc.problem)
				}
				return
			}
			if err != nil {
				t.Fatalf("%s\n%v", tc.why, err)
			}
			if got.path != tc.want || got.readOnly != tc.readOnly || got.optional != tc.optional {
				t.Errorf("%s\ngot %+v, want %s", tc.why, got, tc.want)
			}
		})
	}
	if _, err := os.Stat(fixed + "/new"); err == nil {
		t.Error("a folder was made in a read-only share")
	}
}

// A pod without a uid has no folder of its own, least of all everybody's.
func TestNoUIDOwnsNothing(t *testing.T) {
	dir := t.TempDir()
	must(t, os.MkdirAll(dir+"/pods/other", 0o755))
	s, err := openShares(dir, nil)
	must(t, err)
	if got, err := s.source("", dir+"/pods/other"); err == nil {
		t.Errorf("got %+v", got)
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
