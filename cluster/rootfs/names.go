package rootfs

// UserNamed finds a user that every container knows by name.
func UserNamed(name string) (uid uint32, ok bool) {
	for _, u := range known {
		if u.name == name {
			return u.uid, true
		}
	}
	return 0, false
}

// GroupNamed finds a group that every container knows by name.
func GroupNamed(name string) (gid uint32, ok bool) {
	for id, group := range knownGroups {
		if group == name {
			return id, true
		}
	}
	for _, u := range known {
		if u.name == name {
			return u.gid, true
		}
	}
	return 0, false
}

// GroupOf is the group of the user uid in a container, 0 for one without an account.
func GroupOf(uid uint32) uint32 { return userOf(uid, 0).gid }
