package container

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestGroupsThatExist(t *testing.T) {
	for name, c := range map[string]struct {
		why  string
		ids  ids
		want []uint32
	}{
		"Root":    {why: "All exist for the machine's root.", ids: ids{setAny: true, gids: []idMap{{0, 0, 4294967295}}}, want: []uint32{0, 2000, 100000}},
		"One":     {why: "One group is mapped.", ids: ids{setAny: true, gids: []idMap{{0, 1000, 1}}}, want: []uint32{0}},
		"Ranges":  {why: "A range of subordinate groups is mapped too.", ids: ids{setAny: true, gids: []idMap{{0, 1000, 1}, {1, 100000, 65536}}}, want: []uint32{0, 2000}},
		"Refused": {why: "A namespace made without privileges may set none.", ids: ids{gids: []idMap{{0, 1000, 1}}}},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(c.want, c.ids.groups([]uint32{0, 2000, 100000})); diff != "" {
				t.Errorf("%s (-want +got)\n%s", c.why, diff)
			}
		})
	}
}
