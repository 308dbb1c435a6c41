// Package rootfs says what an image reference means, and composes what a
// container sees as its root: this machine's system folders copy on write, the
// harmless part of /etc, and empty folders where people keep their things.
//
//	base  ──────────────┐ lower          what all containers have in common
//	container's upper ──┴─► /            with its /etc, /home, /root, /tmp, /var
//	machine's /usr ─────┐ lower
//	container's upper ──┴─► /usr         and /opt, and /bin, /lib … where they are folders
//	image's folders ──────► where the image wants them
//
// It makes the folders and says what is to be mounted where; cluster/container
// mounts.
package rootfs
