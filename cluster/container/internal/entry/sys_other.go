//go:build !amd64

package entry

import "syscall"

const sysSetns = syscall.SYS_SETNS
