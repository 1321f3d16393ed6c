//go:build unix

package api

import "syscall"

const canPark = true

// atEnd reports whether nothing will come any more over a socket that does not block.
func atEnd(fd uintptr) bool {
	n, _, err := syscall.Recvfrom(int(fd), make([]byte, 1), syscall.MSG_PEEK)
	return n == 0 && err == nil || err != nil && err != syscall.EAGAIN && err != syscall.EINTR
}
