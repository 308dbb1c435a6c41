package cri

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/weir-ml/weir/cluster/rootfs"
)

func TestCommand(t *testing.T) {
	both := &rootfs.Image{Entrypoint: []string{"/ep", "-e"}, Command: []string{"cmd", "-c"}}
	cases := map[string]struct {
		why           string
		image         *rootfs.Image
		command, args []string
		want          []string
	}{
		"Neither":          {why: "The image's own wishes hold.", image: both, want: []string{"/ep", "-e", "cmd", "-c"}},
		"Args":             {why: "Arguments replace the image's command, not its entrypoint.", image: both, args: []string{"a"}, want: []string{"/ep", "-e", "a"}},
		"Command":          {why: "A command replaces the entrypoint, and the image's command goes with it.", image: both, command: []string{"c"}, want: []string{"c"}},
		"CommandAndArgs":   {why: "Nothing of the image is left.", image: both, command: []string{"c"}, args: []string{"a"}, want: []string{"c", "a"}},
		"OnlyImageCommand": {why: "An image may have no entrypoint.", image: &rootfs.Image{Command: []string{"python3"}}, want: []string{"python3"}},
		"ArgsAlone":        {why: "Arguments without any entrypoint are the command.", image: &rootfs.Image{Command: []string{"python3"}}, args: []string{"a"}, want: []string{"a"}},
		"Nothing":          {why: "There may be nothing to run; that is for the caller to say.", image: &rootfs.Image{}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			got := command(tc.image, tc.command, tc.args)
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("%s\n%s", tc.why, diff)
			}
		})
	}
}
