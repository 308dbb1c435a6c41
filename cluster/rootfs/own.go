package rootfs

import "cmp"

// Own is what makes one container's root differ from another's.
type Own struct {
	UID, GID   uint32 // who lives in it
	OwnRoot    bool   // its image says who else does
	Hostname   string
	ResolvConf []byte // nil leaves the machine's
}

// Files returns the container's own files by their path: small ones in /etc, to
// be put over those of the base.
func Files(o Own) map[string][]byte {
	files := map[string][]byte{
		"/etc/hostname": []byte(cmp.Or(o.Hostname, "localhost") + "\n"),
	}
	if !o.OwnRoot && (o.UID != 0 || o.GID != 0) { // root is in the base
		files["/etc/passwd"] = []byte(passwdOf(o.UID, o.GID))
		files["/etc/group"] = []byte(groupOf(o.UID, o.GID))
	}
	if o.ResolvConf != nil {
		files["/etc/resolv.conf"] = o.ResolvConf
	}
	return files
}
