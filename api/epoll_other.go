//go:build !linux

package api

import (
	"errors"
	"syscall"
)

// epoll is Linux's: elsewhere there is none, and no request is parked.
type epoll struct{}

func newEpoll() (*epoll, error) { return nil, errors.ErrUnsupported }

func (*epoll) add(syscall.RawConn, int32) error   { return errors.ErrUnsupported }
func (*epoll) await(syscall.RawConn, int32) error { return errors.ErrUnsupported }
func (*epoll) watch(func(int32))                  {}
func (*epoll) close()                             {}

func atEnd(uintptr) bool { return false }
