package api

import (
	"cmp"
	"errors"
	"os"
	"syscall"
	"time"
)

// epoll tells which callers may have hung up: one for all connections of a Listener, as
// a goroutine or a timer for each would be most of what is left of a parked request. It
// is safe for concurrent use until it is closed. See epoll(7).
type epoll struct {
	fd   int
	file *os.File // of fd
	raw  syscall.RawConn
}

func newEpoll() (*epoll, error) {
	fd, err := syscall.EpollCreate1(syscall.EPOLL_CLOEXEC)
	if err != nil {
		return nil, err
	}
	_ = syscall.SetNonblock(fd, true) // or NewFile keeps it from Go's poller
	file := os.NewFile(uintptr(fd), "epoll")
	raw, err := file.SyscallConn()
	if err := errors.Join(err, file.SetDeadline(time.Time{})); err != nil { // has that not taken it
		return nil, errors.Join(err, file.Close())
	}
	return &epoll{fd, file, raw}, nil
}

// add takes in a connection, which it calls number. Closing that takes it out.
func (e *epoll) add(c syscall.RawConn, number int32) error {
	return e.control(c, syscall.EPOLL_CTL_ADD, number, 0)
}

// await has watch tell once when the caller hangs up, or that it has already.
func (e *epoll) await(c syscall.RawConn, number int32) error {
	return e.control(c, syscall.EPOLL_CTL_MOD, number, syscall.EPOLLRDHUP)
}

func (e *epoll) control(c syscall.RawConn, op int, number int32, events uint32) (err error) {
	closed := c.Control(func(fd uintptr) {
		err = syscall.EpollCtl(e.fd, op, int(fd), &syscall.EpollEvent{Events: events | syscall.EPOLLONESHOT, Fd: number})
	})
	return cmp.Or(closed, err)
}

// watch calls tell with the number of each connection whose caller may have hung up,
// awaited or not, until it is closed. An epoll is itself a file that Go's poller knows
// to wait for, so that no thread does.
func (e *epoll) watch(tell func(number int32)) {
	events := make([]syscall.EpollEvent, 64)
	for {
		n := 0
		err := e.raw.Read(func(fd uintptr) bool {
			err := error(syscall.EINTR)
			for err == syscall.EINTR {
				n, err = syscall.EpollWait(int(fd), events, 0)
			}
			return n > 0
		})
		if err != nil {
			return
		}
		for _, event := range events[:n] {
			tell(event.Fd)
		}
	}
}

func (e *epoll) close() { _ = e.file.Close() }

// atEnd reports whether nothing will come any more over a socket that does not block.
func atEnd(fd uintptr) bool {
	n, _, err := syscall.Recvfrom(int(fd), make([]byte, 1), syscall.MSG_PEEK)
	return n == 0 && err == nil || err != nil && err != syscall.EAGAIN && err != syscall.EINTR
}
