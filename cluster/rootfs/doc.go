// Package rootfs says what an image reference means and composes what a
// container sees as its root.
package rootfs
